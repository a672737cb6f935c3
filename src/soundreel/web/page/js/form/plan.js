// What it will take, while the form is filled in; and the start.

import * as api from "../api.js";
import * as draft from "../draft.js";
import * as faults from "../faults.js";
import { $, debounced, make } from "../dom.js";
import { bytes, counted, span } from "../time.js";
import { body } from "./request.js";
import * as shots from "./shots.js";
import { spans } from "./spans.js";

const WAIT = 450; // ms after the last key
let asked = "";
let running = null;

export function start() {
  $("make").addEventListener("submit", (event) => {
    event.preventDefault();
    begin();
  });
  draft.watch(() => soon());
}

/** Asks for the plan again, whatever the draft says: the server was away. */
export function again() {
  asked = "";
  soon();
}

const soon = debounced(() => plan(), WAIT);

async function plan() {
  const request = body(draft.get());
  const text = JSON.stringify(request);
  if (text === asked) return;
  asked = text;
  running?.abort();
  if (!request) {
    show(null);
    return;
  }
  running = new AbortController();
  document.querySelector(".plan").classList.add("stale");
  try {
    show(await api.plan(request, running.signal));
    faults.clear($("make"), $("fault"));
  } catch (err) {
    if (err.name === "AbortError") return;
    if (err.status === 0) asked = "";
    refuse(err);
  }
  document.querySelector(".plan").classList.remove("stale");
}

/** A fault found while one types: shown at its field, without taking the caret away. */
function refuse(err) {
  const typing = document.activeElement;
  faults.show(err, $("make"), $("fault"));
  if (typing instanceof HTMLElement && typing !== document.body) typing.focus({ preventScroll: true });
  else document.activeElement?.blur();
  $("plan").replaceChildren();
  $("notices").replaceChildren();
}

function show(made) {
  $("go").disabled = !made;
  if (!made) {
    $("plan").replaceChildren(make("dd", { className: "empty" }, "Give a sound, or a picture alone, and this says what its video takes."));
    $("notices").replaceChildren();
    shots.show([]);
    return;
  }
  const { estimate } = made;
  const rows = [
    ["Video", `${Number(made.seconds.toFixed(2))} s, ${made.size.replace("x", "×")}, ${counted(made.output_frames, "picture")}`],
    ["Parts", `${made.num_chunks}${made.num_shots > 1 ? ` in ${counted(made.num_shots, "shot")}` : ""}`],
    ["Engine", made.engine],
    ["Memory", bytes(estimate.memory_bytes)],
    ["On the disk", estimate.video_bytes ? `about ${bytes(estimate.video_bytes)}` : "unknown"],
  ];
  $("plan").replaceChildren(
    make("dt", { className: "unseen" }, "Time"),
    make("dd", { className: "lead" }, time(estimate), make("span", { className: "facts" }, estimate.source)),
    ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
  $("notices").replaceChildren(...made.notices.map((notice) => make("li", {}, notice)));
  shots.show(spans(made));
}

function time({ seconds, likely_seconds: likely }) {
  if (likely) return `From ${span(likely[0])} to ${span(likely[1])}`;
  if (seconds === null) return "Nobody knows how long";
  return seconds < 1 ? "Less than a second" : `About ${span(seconds)}`;
}

/** One press is one job, also where the answer is lost and it is pressed again. */
let sent = { text: "", key: "" };

async function begin() {
  const request = body(draft.get());
  if (!request) return;
  const text = JSON.stringify(request);
  if (sent.text !== text) sent = { text, key: newKey() };
  $("go").disabled = true;
  try {
    await api.start(request, sent.key);
    sent = { text: "", key: "" };
    faults.clear($("make"), $("fault"));
    $("queue").scrollIntoView({ block: "nearest", behavior: "smooth" });
  } catch (err) {
    faults.show(err, $("make"), $("fault"));
  }
  $("go").disabled = false;
}

/** Not crypto.randomUUID, which pages over plain HTTP of another host have not. */
const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
