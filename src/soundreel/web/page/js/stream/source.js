// The server's events, opened again whenever they break off. Runs in a page and in a worker.

const EVENTS = "/v1/events";
const AGAIN = 2000; // ms until a stream that the browser gave up is opened anew

/** hear({kind: "open" | "away" | "video" | "removed", data}). What it returns closes it. */
export function follow(hear) {
  let source = null;
  let timer = 0;
  const open = () => {
    source = new EventSource(EVENTS);
    source.addEventListener("open", () => hear({ kind: "open" }));
    for (const kind of ["video", "removed"]) {
      source.addEventListener(kind, (event) => hear({ kind, data: JSON.parse(event.data) }));
    }
    source.addEventListener("error", () => {
      hear({ kind: "away" });
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, AGAIN);
    });
  };
  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
