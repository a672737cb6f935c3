// One shot of a finished video made again.

import * as api from "../api.js";
import * as faults from "../faults.js";
import { $, make } from "../dom.js";
import { spans } from "../form/spans.js";
import { clock } from "../time.js";

let job = null;

export function start() {
  const dialog = $("remake");
  dialog.querySelector("[value=close]").addEventListener("click", () => dialog.close());
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  $("remake-shot").addEventListener("change", fill);
}

export function open(finished) {
  job = finished;
  $("remake-shot").replaceChildren(...spans(job.plan).map((shot, index) =>
    make("option", { value: String(index + 1) }, `${index + 1} · from ${clock(shot.start)}`)));
  faults.clear($("remake"), null);
  fill();
  $("remake").showModal();
}

function fill() {
  const shot = job.plan.shots[Number($("remake-shot").value) - 1];
  $("remake-prompt").value = shot?.prompt ?? "";
  $("remake-seed").value = "";
}

async function send() {
  const number = Number($("remake-shot").value);
  const prompt = $("remake-prompt").value.trim();
  const seed = $("remake-seed").value.trim();
  const changes = { shot: number };
  if (prompt !== job.plan.shots[number - 1]?.prompt) changes.prompt = prompt;
  if (seed) changes.seed = seed;
  try {
    await api.remake(job.id, changes);
    $("remake").close();
    $("queue").scrollIntoView({ block: "nearest", behavior: "smooth" });
  } catch (err) {
    faults.show(err, $("remake"), $("remake").querySelector("form > .fault"));
  }
}
