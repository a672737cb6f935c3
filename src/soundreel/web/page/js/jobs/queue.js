// The jobs that wait and run, with their places and how far they are.

import * as api from "../api.js";
import * as live from "../live.js";
import { $, make } from "../dom.js";
import { counted, span } from "../time.js";

const cards = new Map();

export function start() {
  live.watch(draw);
}

function draw(jobs) {
  const active = jobs.filter(live.active).sort(before);
  const running = active.filter((job) => job.status === "in_progress").length;
  $("queue-facts").textContent = active.length > running ? `${active.length - running} waiting` : "";
  for (const id of [...cards.keys()]) if (!active.some((job) => job.id === id)) cards.delete(id);
  const items = active.map((job, index) => card(job, index - running));
  if (!items.length) items.push(make("li", { className: "empty" }, "Nothing is being made."));
  if (items.length !== $("queue").children.length || items.some((item, index) => item !== $("queue").children[index])) $("queue").replaceChildren(...items);
}

/** Those at work, then by the order of coming. A job is told its place when it changes itself: those
    of others that wait are counted here. */
function before(one, other) {
  const rank = (job) => (job.status === "in_progress" ? 0 : 1);
  return rank(one) - rank(other) || one.created_at - other.created_at || (one.queue_position ?? 0) - (other.queue_position ?? 0);
}

/** ahead: how many wait before it. A job's card stays the same element, so that the focus on its button stays. */
function card(job, ahead) {
  let parts = cards.get(job.id);
  if (!parts) {
    parts = build(job);
    cards.set(job.id, parts);
  }
  const running = job.status === "in_progress";
  const now = job.now ?? {};
  parts.place.textContent = running ? "at work" : ahead ? `place ${ahead + 1}` : "next";
  parts.place.classList.toggle("active", running);
  parts.bar.value = job.progress;
  parts.bar.hidden = !running;
  parts.bar.setAttribute("aria-valuetext", `${job.progress} %`);
  parts.what.textContent = running ? stage(now) : `${job.plan.engine}, ${counted(job.plan.num_chunks, "part")}`;
  parts.left.textContent = running ? [`${job.progress} %`, now.left ? `${span(now.left)} left` : ""].filter(Boolean).join(" · ") : "";
  parts.latent.hidden = !job.preview;
  if (job.preview && parts.latent.getAttribute("src") !== job.preview) parts.latent.src = job.preview;
  return parts.item;
}

function build(job) {
  const cancel = make("button", { type: "button", className: "quiet small", "aria-label": `Cancel ${job.name}` }, "Cancel");
  cancel.addEventListener("click", async () => {
    cancel.disabled = true;
    cancel.textContent = "Stopping …";
    await api.cancel(job.id).catch(() => {
      cancel.disabled = false;
      cancel.textContent = "Cancel";
    });
  });
  const place = make("span", { className: "place" });
  const latent = make("img", { className: "latent", alt: "What is being drawn" });
  const bar = make("progress", { max: 100, "aria-label": `Progress of ${job.name}` });
  const what = make("span");
  const left = make("span");
  const item = make("li", { className: "job", "data-job": job.id },
    make("div", { className: "job-head" }, make("h3", { title: job.name }, job.name || "video"), place, cancel),
    make("div", { className: "job-body" }, latent, make("div", {}, bar, make("p", { className: "said" }, what, left))));
  return { item, place, latent, bar, what, left };
}

/** "making pictures, part 2 of 5, step 3 of 20". */
function stage(now) {
  if (!now.what) return "beginning";
  const pictures = now.total ? `${now.done} of ${now.total}` : "";
  return [now.what, now.detail, pictures].filter(Boolean).join(", ");
}
