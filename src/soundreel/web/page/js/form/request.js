// From the draft to the body that asks for the video, and back.

/** Names of the shapes, with the size that stands for each. */
export const SHAPES = [["portrait", "Portrait", "832x1216"], ["square", "Square", "1024x1024"], ["wide", "Wide", "1280x720"], ["custom", "Custom", null]];

const OWN = ["audio", "image", "start", "duration", "prompt", "model", "kind", "width", "height", "shots", "lyrics", "options"];

let known = null; // the server's options, by kind of video

export const learn = (options) => { known = options; };

/** What the server is asked; without a sound and a picture there is nothing to ask: null. */
export function body(draft) {
  if (!draft.sound && !draft.image) return null;
  const size = draft.shape === "custom" ? draft.size : SHAPES.find(([name]) => name === draft.shape)[2];
  const said = {
    audio: draft.sound?.id,
    image: draft.image?.id,
    start: draft.start.trim(),
    duration: draft.duration.trim(),
    prompt: draft.prompt.trim(),
    model: draft.preset && draft.engine !== "auto" ? `${draft.engine}/${draft.preset}` : draft.preset || draft.engine,
    size: size.trim() || undefined,
    shots: draft.sound ? shots(draft.shots) : undefined,
    lyrics: draft.sound ? draft.lyrics?.id : undefined,
    ...fitting(draft, draft.options, (kind) => kind.fields.map(({ name }) => name)),
    options: own(draft),
  };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined && value !== ""));
}

/** The engine's own. Small pictures on the way are asked for where the engine has them. */
function own(draft) {
  const { engine } = draft;
  const said = fitting(draft, draft.own, (kind) => Object.keys(kind.engine));
  const all = engine === "wan" ? { preview_steps: "1", ...said } : said;
  return Object.keys(all).length ? all : undefined;
}

/** Of what was set, what this kind of video has: a sound may be gone since. */
function fitting(draft, values, namesOf) {
  if (!known) return values;
  const names = namesOf(known[draft.sound ? "sound" : "image"]);
  return Object.fromEntries(Object.entries(values).filter(([name]) => names.includes(name)));
}

function shots({ mode, list }) {
  if (mode === "auto") return "auto";
  if (mode === "none" || !list.length) return undefined;
  return list.map((shot) => Object.fromEntries(
    [["start", shot.start], ["prompt", shot.prompt.trim()], ["seed", shot.seed.trim()], ["image", shot.image?.id]].filter(([, value]) => value)));
}

/** The draft that asks for what a finished video was asked; uploads: what is known of each, by id. */
export function draftOf(request, uploads) {
  const { sampling_preset: preset = "", ...own } = request.options ?? {};
  const size = request.width && request.height ? `${request.width}x${request.height}` : "";
  const shape = size ? SHAPES.find(([, , stands]) => stands === size)?.[0] ?? "custom" : "portrait";
  const others = Object.entries(request).filter(([name]) => !OWN.includes(name));
  return {
    sound: uploads[request.audio] ?? null,
    image: uploads[request.image] ?? null,
    lyrics: uploads[request.lyrics] ?? null,
    start: text(request.start),
    duration: text(request.duration),
    prompt: request.prompt ?? "",
    engine: request.model ?? "auto",
    preset,
    shape,
    size: shape === "custom" ? size : "",
    shots: shotsOf(request.shots, uploads),
    options: Object.fromEntries(others),
    own,
  };
}

function shotsOf(shots, uploads) {
  if (!Array.isArray(shots)) return { mode: shots === "auto" ? "auto" : "none", list: [] };
  const list = shots.map((shot) => ({
    start: text(shot.start), prompt: shot.prompt ?? "", seed: text(shot.seed), image: uploads[shot.image] ?? null,
  }));
  return { mode: "list", list };
}

const text = (value) => (value === undefined || value === null ? "" : String(value));
