// The sound: a file chosen, dropped or recorded; what of it is used; how it sounds.

import * as api from "../api.js";
import * as draft from "../draft.js";
import { write } from "../faults.js";
import { $, put, takeDrops, takeFile } from "../dom.js";
import { rest } from "../players.js";
import { clock, seconds } from "../time.js";
import { canRecord, record } from "./recorder.js";
import { Waveform } from "../wave/waveform.js";

const player = $("sound-player");
let wave = null;
let shown = null; // id of the sound whose peaks are drawn
let asked = null; // id of the sound whose fine peaks were asked for
let stopRecording = null;

export function start() {
  wave = new Waveform($("waveform"), { start: setStart, end: setEnd, region: setRegion, cut: moveCut, seek, finer });
  takeFile($("sound-file"), take);
  takeDrops($("sound-drop"), take);
  takeDrops($("sound-desk"), take);
  $("sound-away").addEventListener("click", () => draft.set({ sound: null, start: "", duration: "" }));
  for (const name of ["start", "duration"]) $(name).addEventListener("input", () => draft.set({ [name]: $(name).value }));
  $("record").hidden = !canRecord();
  $("record").addEventListener("click", toggleRecord);
  $("play").addEventListener("click", togglePlay);
  player.addEventListener("play", () => { $("play").textContent = "Pause"; follow(); });
  player.addEventListener("pause", () => { $("play").textContent = "Play"; rest(player); });
  player.addEventListener("error", () => {
    const kind = player.error?.code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED;
    const message = kind ? "this browser cannot play this kind of file" : "this browser could not play the sound";
    if (draft.get().sound) fault({ message, hint: "the video will have its sound all the same" });
  });
  draft.watch(draw);
}

/** Where in the file the person is: the playhead. */
export const head = () => wave.head;

/** What is used of the sound, in seconds of the file. */
export function region({ sound, start: from, duration } = draft.get()) {
  const length = sound?.seconds ?? 0;
  const begin = Math.min(length, seconds(from || "0") ?? 0);
  const lasts = duration === "" ? null : seconds(duration);
  return { begin, end: lasts === null ? length : Math.min(length, begin + lasts) };
}

/** cuts: [{second, movable}]. */
export const showCuts = (cuts) => wave.show({ cuts });

let onCut = () => {};
export const watchCuts = (listener) => { onCut = listener; };
function moveCut(index, second) { onCut(index, second); }

async function take(file) {
  fault();
  busy(`Sending ${file.name} …`);
  try {
    const sound = await api.upload(file, (part) => busy(`Sending ${file.name} … ${Math.round(part * 100)} %`));
    if (sound.kind !== "sound") throw { message: `${file.name} is no sound`, hint: "choose a song, a voice, or a video with sound" };
    draft.set({ sound, start: "", duration: "" });
  } catch (err) {
    fault(err);
  } finally {
    busy();
  }
}

function draw(now) {
  const { sound } = now;
  $("sound-desk").hidden = !sound;
  $("sound-drop").hidden = Boolean(sound);
  $("sound-facts").textContent = sound ? `${sound.name} · ${clock(sound.seconds)}` : "";
  put($("start"), now.start);
  put($("duration"), now.duration);
  if (sound?.id !== shown) open(sound);
  if (!sound) return;
  const { begin, end } = region(now);
  wave.show({ length: sound.seconds, start: begin, end: Math.max(end, begin), head: Math.max(wave.head, 0) });
}

async function open(sound) {
  shown = sound?.id ?? null;
  fault();
  player.pause();
  wave.show({ peaks: [], fine: null, head: 0 });
  if (!sound) {
    player.removeAttribute("src");
    return;
  }
  player.src = api.uploadContent(sound.id);
  wave.show({ peaks: sound.peaks ?? [] });
  try {
    await api.uploaded(sound.id);
  } catch (err) {
    if (err.status !== 404 || draft.get().sound?.id !== sound.id) return;
    draft.set({ sound: null });
    fault({ message: `the server has ${sound.name} no longer`, hint: "give it again" });
  }
}

/** The exact second as text; to the end of the file is no duration. */
function setRegion(from, to) {
  const whole = to >= draft.get().sound.seconds - 0.005;
  draft.set({ start: from > 0 ? clock(from) : "", duration: whole ? "" : clock(to - from) });
}

/** One end moves; the other stays at its second, as exactly as it was written. */
const setStart = (second) => setRegion(second, region().end);

function setEnd(second) {
  const { begin } = region();
  const whole = second >= draft.get().sound.seconds - 0.005;
  draft.set({ duration: whole ? "" : clock(second - begin) });
}

/** The waveform is looked at more closely than its first peaks are apart: asked for once a sound. */
async function finer() {
  const { id } = draft.get().sound;
  if (asked === id) return;
  asked = id;
  try {
    const fine = await api.peaks(id);
    if (shown === id) wave.show({ fine });
  } catch {
    asked = null; // coarse ones are seen meanwhile
  }
}

function seek(second) {
  player.currentTime = second;
  wave.point(second);
}

function togglePlay() {
  if (!player.paused) {
    player.pause();
    return;
  }
  const { begin, end } = region();
  if (wave.head < begin || wave.head >= end - 0.05) seek(begin);
  player.play().catch(() => {}); // "error" says why
}

function follow() {
  wave.point(player.currentTime);
  if (player.currentTime >= region().end && !player.ended) player.pause();
  if (!player.paused) requestAnimationFrame(follow);
}

async function toggleRecord() {
  const button = $("record");
  fault();
  try {
    if (stopRecording === null) {
      stopRecording = await record();
      button.textContent = "Stop";
      button.classList.add("recording");
      return;
    }
    const file = await stopRecording();
    await take(file);
  } catch (err) {
    fault(err);
  }
  stopRecording = null;
  button.textContent = "Record";
  button.classList.remove("recording");
}

function busy(words) {
  $("sound-drop").classList.toggle("busy", Boolean(words));
  $("sound-drop").querySelector(".drop-words").textContent = words ?? "Drop a song or a voice here";
}

function fault(error) {
  const line = $("audio-fault");
  if (error) write(line, error);
  else line.replaceChildren();
  if (error) $("sound-file").setAttribute("aria-invalid", "true");
  else $("sound-file").removeAttribute("aria-invalid");
}
