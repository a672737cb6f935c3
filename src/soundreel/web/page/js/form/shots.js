// Shots: one, as the sound has them, or one's own list, as a table and as cuts over the waveform.

import * as api from "../api.js";
import * as draft from "../draft.js";
import { write } from "../faults.js";
import { $, make, put, segments, takeFile } from "../dom.js";
import { clock, counted, seconds } from "../time.js";
import { body } from "./request.js";
import { head, region, showCuts, watchCuts } from "./sound.js";
import { spans } from "./spans.js";

const MODES = [["none", "One"], ["auto", "By the sound"], ["list", "My own"]];
const APART = 0.5; // seconds between two cuts that are dragged
let planned = []; // [{start, prompt}], as the last plan has them
let drawn = "";

export function start() {
  const choose = segments($("shot-modes"), "shots", MODES, setMode);
  watchCuts(moveCut);
  draft.watch((now) => {
    choose(now.shots.mode);
    $("shot-modes").closest(".card").hidden = !now.sound;
    draw(now);
  });
}

/** shots: of a plan, on the sound file's clock. */
export function show(shots) {
  planned = shots;
  draw(draft.get());
}

function setMode(mode) {
  const { shots } = draft.get();
  const begin = planned.length ? planned : [{ start: region().begin }];
  const list = mode === "list" && !shots.list.length ? listed(begin) : shots.list;
  draft.set({ shots: { mode, list } });
}

/** A plan's shots as a list to work on; each has the whole video's prompt until it gets its own. */
const listed = (shots) => shots.map(({ start: second }) => ({ start: clock(second), prompt: "", seed: "", image: null }));

/** A cut that is dragged stays between its neighbours. */
function moveCut(index, second) {
  const starts = draft.get().shots.list.map((shot) => seconds(shot.start) ?? 0);
  const least = starts[index] + APART;
  const most = (starts[index + 2] ?? region().end) - APART;
  change(index + 1, { start: clock(Math.round(Math.min(most, Math.max(least, second)) * 100) / 100) });
}

function change(index, values) {
  const { mode, list } = draft.get().shots;
  draft.set({ shots: { mode, list: list.map((shot, place) => (place === index ? { ...shot, ...values } : shot)) } });
}

function draw(now) {
  const { mode, list } = now.shots;
  const starts = mode === "list" ? list.map((shot) => seconds(shot.start)) : planned.map((shot) => shot.start);
  const cuts = mode === "none" ? [] : starts.slice(1).map((second) => ({ second: second ?? 0, movable: mode === "list" }));
  showCuts(now.sound ? cuts : []);
  $("shots-facts").textContent = mode === "none" ? "" : counted(starts.length, "shot");
  const form = `${mode} ${mode === "list" ? list.map((shot) => shot.image?.id).join() + list.length : JSON.stringify(planned)}`;
  if (form !== drawn) {
    drawn = form;
    $("shot-list").replaceChildren(...{ none: () => [], auto: readList, list: editTable }[mode](list));
  }
  if (mode === "list") fill(list);
}

function readList() {
  const rows = planned.map((shot, index) => make("li", {}, make("b", {}, String(index + 1)), `${clock(shot.start)} – ${clock(shot.end)}`));
  const edit = make("button", { type: "button", className: "quiet", onclick: takeOver }, "Edit these");
  if (!rows.length) return [make("p", { className: "note" }, "The plan will say where it cuts.")];
  return [make("ol", { className: "spans" }, ...rows), edit];
}

function takeOver() {
  draft.set({ shots: { mode: "list", list: listed(planned) } });
}

function editTable(list) {
  const names = ["", "Starts at", "Prompt", "Picture", "Seed", ""];
  const head_ = make("thead", {}, make("tr", {}, ...names.map((name) => make("th", {}, name))));
  const table = make("table", {}, head_, make("tbody", {}, ...list.map(editRow)));
  const add = make("button", { type: "button", onclick: addShot }, "Cut at the playhead");
  const auto = make("button", { type: "button", className: "quiet", onclick: fillFromSound }, "Fill from the sound");
  return [table, make("div", { className: "row" }, add, auto)];
}

function editRow(shot, index) {
  const input = (name, label, more) => make("input", {
    type: "text", autocomplete: "off", "aria-label": `${label} of shot ${index + 1}`, "data-name": name,
    oninput: (event) => change(index, { [name]: event.target.value }), ...more,
  });
  const away = make("button", { type: "button", className: "quiet", "aria-label": `Remove shot ${index + 1}`, onclick: () => remove(index) }, "✕");
  return make("tr", {},
    make("td", { className: "number" }, String(index + 1)),
    make("td", { className: "begin" }, input("start", "Start", { inputMode: "decimal" })),
    make("td", { className: "words" }, input("prompt", "Prompt", { placeholder: "as above" })),
    make("td", { className: "face" }, picture(shot, index)),
    make("td", { className: "seed" }, input("seed", "Seed", { inputMode: "numeric", placeholder: "any" })),
    make("td", {}, away));
}

function picture(shot, index) {
  const file = make("input", { type: "file", accept: "image/*", className: "unseen", id: `shot-picture-${index}` });
  takeFile(file, async (chosen) => {
    try {
      const image = await api.upload(chosen);
      if (image.kind !== "image") throw { message: `${chosen.name} is no picture`, hint: "choose PNG or JPEG" };
      change(index, { image });
    } catch (err) {
      write($("shot-list").parentElement.querySelector(".fault"), err);
    }
  });
  const seen = shot.image ? make("img", { src: api.uploadContent(shot.image.id), alt: shot.image.name }) : "+";
  return make("div", {}, make("label", { className: "button", for: file.id, "aria-label": `Picture of shot ${index + 1}` }, seen), file);
}

/** Values into the rows that are there: what a person types in keeps its caret. */
function fill(list) {
  const rows = $("shot-list").querySelectorAll("tbody tr");
  rows.forEach((row, index) => {
    for (const input of row.querySelectorAll("[data-name]")) put(input, list[index][input.dataset.name]);
  });
}

function addShot() {
  const { list } = draft.get().shots;
  const shot = { start: clock(head()), prompt: "", seed: "", image: null };
  if (list.some((other) => seconds(other.start) === seconds(shot.start))) return;
  const sorted = [...list, shot].sort((one, other) => seconds(one.start) - seconds(other.start));
  draft.set({ shots: { mode: "list", list: sorted } });
}

function remove(index) {
  const list = draft.get().shots.list.filter((_, place) => place !== index);
  draft.set({ shots: { mode: list.length ? "list" : "none", list } });
}

/** The list as the sound has it: what the plan of `auto` says. */
async function fillFromSound() {
  try {
    const made = await api.plan({ ...body(draft.get()), shots: "auto" });
    draft.set({ shots: { mode: "list", list: listed(spans(made)) } });
  } catch (err) {
    write($("shot-list").parentElement.querySelector(".fault"), err);
  }
}
