// Prompt, engine, preset and size: how it shall look, and who draws it.

import * as draft from "../draft.js";
import { $, make, put, segments } from "../dom.js";
import { clock } from "../time.js";
import { SHAPES } from "./request.js";
import { head, region } from "./sound.js";

const PRESETS = [["", "As the engine has it"], ["fast", "Fast"], ["quality", "Quality"], ["official", "Official"]];
const NOTES = { fast: "4 steps", quality: "20 steps", official: "40 steps" };
const ENGINES = {
  auto: ["The best that can run here", ""],
  wan: ["wan", "Wan 2.2 S2V on this machine's card"],
  comfyui: ["comfyui", "Wan 2.2 S2V on ComfyUI servers"],
  preview: ["preview", "pictures that follow the sound, on the processor, in seconds"],
};

/** models: names of engines and presets, as the server lists them. */
export function start(models) {
  const engines = models.filter((name) => !NOTES[name] || ENGINES[name]);
  choices($("engine"), engines.map((name) => [name, ENGINES[name]?.[0] ?? name]));
  choices($("preset"), PRESETS);
  const choose = segments($("shapes"), "shape", SHAPES, (shape) => draft.set({ shape }));
  $("engine").addEventListener("change", () => draft.set({ engine: $("engine").value, preset: "", own: {} }));
  $("preset").addEventListener("change", () => draft.set({ preset: $("preset").value }));
  for (const name of ["prompt", "size"]) $(name).addEventListener("input", () => draft.set({ [name]: $(name).value }));
  $("mark").addEventListener("click", mark);
  draft.watch((now) => draw(now, choose));
}

function choices(select, pairs) {
  select.replaceChildren(...pairs.map(([value, label]) => make("option", { value }, label)));
}

function draw(now, choose) {
  for (const name of ["prompt", "engine", "preset", "size"]) put($(name), now[name]);
  choose(now.shape);
  $("custom-size").hidden = now.shape !== "custom";
  $("mark").hidden = !now.sound;
  $("engine-note").textContent = ENGINES[now.engine]?.[1] ?? "";
  $("preset-note").textContent = NOTES[now.preset] ?? "";
  $("preset").disabled = now.engine === "preview";
}

/** Puts the time where the playhead stands, to the region's end, before what is written next. */
function mark() {
  const field = $("prompt");
  const { begin, end } = region();
  const from = Math.max(begin, Math.min(head(), end));
  const words = `[${clock(from)}-${clock(from < end ? end : from + 1)}] `;
  const at = field.selectionStart;
  const line = at > 0 && field.value[at - 1] !== "\n" ? `\n${words}` : words;
  field.setRangeText(line, at, field.selectionEnd, "end");
  field.focus();
  draft.set({ prompt: field.value });
}
