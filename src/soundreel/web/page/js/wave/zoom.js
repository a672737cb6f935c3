// Closer to the sound and along it: buttons, a scroll bar, the wheel, two fingers, keys.

import { $, make } from "../dom.js";
import { clock } from "../time.js";
import { drag } from "./handles.js";

const STEP = 2; // times closer by a button
const TURN = 0.0025; // of the wheel, as an exponent, a pixel
const KEYS = { "+": STEP, "=": STEP, "-": 1 / STEP };
const MOVES = { ArrowLeft: -0.1, ArrowRight: 0.1, PageUp: -0.9, PageDown: 0.9, Home: -Infinity, End: Infinity };

/** Lets a person change a waveform's view. What it returns draws the controls. */
export function control(wave) {
  const { view, place } = wave;
  const change = (work) => {
    work();
    wave.draw();
  };
  const middle = () => (view.sees(wave.head) ? wave.head : view.second(0.5));
  const closer = (times, second = middle()) => change(() => view.zoom(times, second));
  const whole = () => change(() => view.open(view.length));
  $("zoom-in").addEventListener("click", () => closer(STEP));
  $("zoom-out").addEventListener("click", () => closer(1 / STEP));
  $("zoom-whole").addEventListener("click", whole);
  place.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in KEYS) closer(KEYS[event.key]);
    else if (event.key === "0") whole();
  });
  place.addEventListener("wheel", (event) => {
    const along = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
    if (event.ctrlKey) closer(Math.exp(-event.deltaY * TURN), wave.under(event.clientX));
    else if (along && !view.whole && (event.shiftKey || Math.abs(along) > Math.abs(event.deltaY))) change(() => view.scroll(along / place.clientWidth));
    else return;
    event.preventDefault();
  }, { passive: false });
  pinch(wave, change);
  return scrollBar(view, change);
}

/** Two fingers: closer and along at once. */
function pinch(wave, change) {
  const fingers = new Map();
  const spread = () => {
    const [one, other] = [...fingers.values()];
    return { width: Math.max(10, Math.abs(one - other)), middle: (one + other) / 2 };
  };
  wave.place.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch") return;
    fingers.set(event.pointerId, event.clientX);
    if (fingers.size === 2) wave.stop();
  }, true);
  wave.place.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = fingers.size === 2 ? spread() : null;
    fingers.set(event.pointerId, event.clientX);
    if (!before) return;
    const after = spread();
    const held = wave.under(before.middle);
    change(() => {
      wave.view.zoom(after.width / before.width, held);
      wave.view.scroll((before.middle - after.middle) / wave.place.clientWidth);
    });
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    wave.place.addEventListener(kind, (event) => fingers.delete(event.pointerId), true);
  }
}

function scrollBar(view, change) {
  const bar = $("scroll");
  const thumb = make("div", { className: "thumb" });
  bar.replaceChildren(thumb);
  bar.addEventListener("keydown", (event) => {
    if (!(event.key in MOVES)) return;
    event.preventDefault();
    const parts = MOVES[event.key];
    change(() => (Number.isFinite(parts) ? view.scroll(parts) : view.place(parts < 0 ? 0 : view.length, view.span)));
  });
  bar.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    bar.focus();
    const box = bar.getBoundingClientRect();
    const second = (moved) => ((moved.clientX - box.left) / box.width) * view.length;
    const held = event.target === thumb ? second(event) - view.from : view.span / 2;
    const to = (moved) => change(() => view.place(second(moved) - held, view.span));
    to(event);
    drag(bar, event, to);
  });
  return () => {
    bar.hidden = view.whole;
    $("zoom-out").disabled = $("zoom-whole").disabled = view.whole;
    $("zoom-in").disabled = view.closest;
    const share = view.whole ? 0 : view.from / (view.length - view.span);
    thumb.style.left = `${share * 100}%`;
    thumb.style.transform = `translateX(${-share * 100}%)`; // a small part is drawn larger than it is
    thumb.style.width = `${(view.span / view.length) * 100}%`;
    bar.setAttribute("aria-valuemax", String(Math.round((view.length - view.span) * 100) / 100));
    bar.setAttribute("aria-valuenow", String(Math.round(view.from * 100) / 100));
    bar.setAttribute("aria-valuetext", `${clock(Math.round(view.from))} to ${clock(Math.round(view.to))}`);
  };
}
