// What is done: play it, keep it, ask for it again, make a shot of it again, see its verdict.

import * as api from "../api.js";
import * as draft from "../draft.js";
import * as live from "../live.js";
import { draftOf } from "../form/request.js";
import { $, make } from "../dom.js";
import { counted } from "../time.js";
import * as remake from "./remake.js";

const cards = new Map();

export function start() {
  $("older").addEventListener("click", () => live.older().catch(() => {}));
  live.watch(draw);
}

function draw(jobs) {
  const ended = jobs.filter((job) => job.status === "completed" || job.status === "failed");
  const done = ended.filter((job) => job.status === "completed").length;
  $("gallery-facts").textContent = done ? counted(done, "video") : "";
  for (const id of [...cards.keys()]) if (!ended.some((job) => job.id === id)) cards.delete(id);
  const items = ended.map((job) => {
    if (!cards.has(job.id)) cards.set(job.id, job.status === "completed" ? video(job) : failure(job));
    return cards.get(job.id);
  });
  $("older").hidden = !live.hasOlder();
  if (!items.length) items.push(make("li", { className: "empty" }, "Finished videos stand here."));
  const shown = $("gallery").children;
  if (items.length !== shown.length || items.some((item, index) => item !== shown[index])) $("gallery").replaceChildren(...items);
}

function video(job) {
  const { result } = job;
  const player = make("video", {
    controls: true, preload: "none", playsInline: true, poster: api.content(job.id, "thumbnail"), src: api.content(job.id), "aria-label": job.name || "video",
  });
  const facts = [`${Number(result.seconds.toFixed(2))} s`, result.size.replace("x", "×"), result.engine, `seed ${result.seed}`];
  if (job.remixed_from_video_id) facts.push("made again");
  const download = make("a", { className: "button quiet small", href: api.download(job.id), download: "" }, "Download");
  return make("li", { className: "video", "data-job": job.id },
    player,
    make("div", { className: "video-body" },
      make("h3", { title: job.name }, job.name || "video"),
      make("p", { className: "facts" }, facts.join(" · ")),
      job.prompt && make("p", { className: "facts words", title: job.prompt }, job.prompt),
      job.check && verdict(job.check),
      make("div", { className: "tools" }, download,
        tool("Again with …", () => again(job)),
        job.request.kind === "sound" ? tool("Remake a shot …", () => remake.open(job)) : null, // of a picture, it is the whole
        removal(job))));
}

const WORDS = { ok: "fine", note: "note", fail: "fails", unknown: "cannot tell" };

/** What the check found, in one word; line by line where it is opened. */
function verdict(check) {
  const lines = check.lines.map((line) => make("li", {}, make("b", {}, line.name), `${WORDS[line.word] ?? line.word}: ${line.found}`));
  return make("details", { className: `verdict ${check.verdict}` },
    make("summary", {}, `Checked: ${WORDS[check.verdict] ?? check.verdict}`), make("ul", {}, ...lines));
}

function failure(job) {
  const { error } = job;
  const cancelled = error.code === "cancelled";
  return make("li", { className: "video", "data-job": job.id },
    make("div", { className: "video-body" },
      make("h3", { title: job.name }, job.name || "video"),
      make("p", { className: cancelled ? "facts" : "fault" }, cancelled ? "Cancelled" : error.message),
      make("div", { className: "tools" }, tool("Again with …", () => again(job)), removal(job))));
}

const tool = (words, onclick) => make("button", { type: "button", className: "quiet small", onclick }, words);

/** Asks once more in its own place: a dialog for this would be in the way. */
function removal(job) {
  const button = tool("Remove", async () => {
    if (button.textContent === "Remove") {
      button.textContent = "Remove for good?";
      return;
    }
    await api.remove(job.id).catch((err) => { button.textContent = err.message; });
  });
  button.addEventListener("blur", () => { button.textContent = "Remove"; });
  return button;
}

/** Its request into the form, to be changed and started. */
async function again(job) {
  const uploads = await known(job.request);
  draft.replace(draftOf(job.request, uploads));
  $("make").scrollIntoView({ behavior: "smooth" });
  $("prompt").focus({ preventScroll: true });
}

/** What the server still has of the uploads that a request names. */
async function known(request) {
  const ids = JSON.stringify(request).match(/upload_[0-9a-f]{64}/g) ?? [];
  const found = await Promise.all([...new Set(ids)].map((id) => api.uploaded(id).catch(() => null)));
  return Object.fromEntries(found.filter(Boolean).map((upload) => [upload.id, upload]));
}
