// What is being asked for, before it is started: kept in this browser, the same in all its tabs.
// Every section draws itself from the draft and writes into it; none knows another.

const KEY = "soundreel.draft";

/** sound, image, lyrics: {id, name, ...} of an upload. start, duration: as written; "" is the whole.
    shots: {mode: "none" | "auto" | "list", list: [{start, prompt, seed, image}]}.
    options: further ones by name; own: those of the engine. */
const EMPTY = Object.freeze({
  sound: null, start: "", duration: "", image: null, prompt: "", engine: "auto", preset: "",
  shape: "portrait", size: "", shots: { mode: "none", list: [] }, lyrics: null, options: {}, own: {},
});

const listeners = new Set();
let draft = read(localStorage.getItem(KEY));

export const get = () => draft;

/** listener(draft): now, and whenever the draft changes, also in another tab. */
export function watch(listener) {
  listeners.add(listener);
  listener(draft);
}

export function set(changes) {
  draft = { ...draft, ...changes };
  try {
    localStorage.setItem(KEY, JSON.stringify(draft));
  } catch { /* no room, or storage forbidden: then the draft lives as long as the page */ }
  tell();
}

/** Another draft as a whole, as of "again with". */
export const replace = (changes) => set({ ...EMPTY, ...changes });

function tell() {
  for (const listener of listeners) listener(draft);
}

function read(text) {
  try {
    return { ...EMPTY, ...JSON.parse(text) };
  } catch {
    return { ...EMPTY };
  }
}

addEventListener("storage", (event) => {
  if (event.key !== KEY) return;
  draft = read(event.newValue);
  tell();
});
