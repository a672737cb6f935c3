// What can be moved, with the pointer or the keyboard.

import { make } from "../dom.js";
import { clock } from "../time.js";

const KEYS = { ArrowLeft: -0.1, ArrowRight: 0.1, ArrowDown: -0.1, ArrowUp: 0.1, PageDown: -5, PageUp: 5 };

export function handle(kind, label) {
  return make("div", { className: kind, tabIndex: 0, role: "slider", "aria-label": label, "aria-orientation": "horizontal" });
}

export function say(slider, second, length) {
  slider.setAttribute("aria-valuemin", "0");
  slider.setAttribute("aria-valuemax", String(length));
  slider.setAttribute("aria-valuenow", String(second));
  slider.setAttribute("aria-valuetext", clock(second));
}

/** A slider on a waveform: dragged; arrows 0.1 s, with shift 1 s, with ctrl 0.01 s, page keys 5 s,
    Home and End. One that is not in sight comes there with the focus. */
export function slide(element, wave, value, move, may = () => true) {
  element.addEventListener("focus", () => wave.reveal(value()));
  element.addEventListener("pointerdown", (event) => {
    if (event.button || !may()) return;
    element.focus();
    drag(element, event, (moved) => move(wave.at(moved)));
  });
  element.addEventListener("keydown", (event) => {
    const ends = { Home: 0, End: wave.length };
    if (!may() || !(event.key in KEYS || event.key in ends)) return;
    event.preventDefault();
    const arrow = event.key.startsWith("Arrow");
    const step = KEYS[event.key] * (arrow && event.shiftKey ? 10 : 1) * (arrow && event.ctrlKey ? 0.1 : 1);
    move(wave.within(event.key in ends ? ends[event.key] : value() + step));
    wave.reveal(value());
  });
}

export function drag(element, first, onMove, onEnd = () => {}) {
  first.preventDefault();
  const stop = new AbortController();
  const end = (event) => {
    if (event.pointerId !== first.pointerId) return;
    stop.abort();
    if (event.type === "pointerup") onEnd();
  };
  element.setPointerCapture(first.pointerId);
  element.addEventListener("pointermove", (event) => event.pointerId === first.pointerId && onMove(event), { signal: stop.signal });
  element.addEventListener("pointerup", end, { signal: stop.signal });
  element.addEventListener("pointercancel", end, { signal: stop.signal });
  return () => stop.abort();
}
