// A tab's end of the stream. A browser opens six connections to a server and no more, so tabs share
// one stream in a worker; where a browser has no such workers, only the tab that is seen has one.

import { follow } from "./source.js";

/** hear: as `follow` has it. "open" may come again: then what was before it has to be asked for. */
export function listen(hear) {
  if (!globalThis.SharedWorker) {
    followWhileSeen(hear);
    return;
  }
  const worker = new SharedWorker(new URL("worker.js", import.meta.url), { type: "module", name: "events" });
  worker.port.onmessage = ({ data }) => hear(data);
  worker.addEventListener("error", () => followWhileSeen(hear));
  addEventListener("pagehide", () => worker.port.postMessage("gone"));
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
}

function followWhileSeen(hear) {
  let close = null;
  const look = () => {
    if (document.hidden) {
      close?.();
      close = null;
    } else {
      close ??= follow(hear);
    }
  };
  document.addEventListener("visibilitychange", look);
  look();
}
