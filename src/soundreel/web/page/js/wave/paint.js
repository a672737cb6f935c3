// The bars of a waveform and the times below them, for what a view sees.

import { make } from "../dom.js";
import { clock } from "../time.js";

export const HEIGHT = 100; // of the drawing; below it stand the times
const FULL = 100; // a peak at full scale
const BAR = 3; // pixels from one to the next
const APART = 56; // pixels between two times
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600];

/** How many peaks of the whole sound it takes to draw this view well. */
export const wanted = (view, width) => (width / BAR) * (view.length / view.span);

/** peaks: 0 to 100, evenly over the whole sound; strong from start to end. */
export function bars(canvas, view, peaks, { start, end }) {
  const { clientWidth: width, clientHeight: height } = canvas.parentElement;
  const scale = devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = height * scale;
  const pen = canvas.getContext("2d");
  const style = getComputedStyle(canvas);
  const [faint, strong] = ["--wave", "--accent"].map((name) => style.getPropertyValue(name));
  const count = Math.floor(width / BAR);
  const place = (bar) => Math.floor((view.second(bar / count) / view.length) * peaks.length);
  pen.scale(scale, scale);
  for (let bar = 0; bar < count; bar += 1) {
    const from = place(bar);
    const to = Math.max(from + 1, place(bar + 1));
    const peak = Math.max(0, ...peaks.slice(from, to));
    const tall = Math.max(2, (peak / FULL) * (HEIGHT - 8));
    const second = view.second((bar + 0.5) / count);
    pen.fillStyle = second >= start && second < end ? strong : faint;
    pen.fillRect(bar * BAR, (HEIGHT - tall) / 2, 2, tall);
  }
}

/** Times as elements: the ends of the sound where they are seen, round ones between. */
export function ticks(view, width) {
  const every = STEPS.find((step) => (view.span / step) * APART <= width) ?? 7200;
  const times = view.from === 0 ? [0] : [];
  for (let step = Math.floor(view.from / every) + 1; step * every < view.to; step += 1) {
    const left = view.part(step * every) * width;
    if (left > APART / 2 && left < width - APART * (view.to === view.length ? 0.8 : 0.5)) times.push(step * every);
  }
  if (view.to === view.length) times.push(view.length);
  return times.map((second) => {
    const place = second === 0 ? " first" : second === view.length ? " last" : "";
    const tick = make("span", { className: `tick${place}`, "aria-hidden": "true" }, clock(Math.round(second * 10) / 10));
    tick.style.left = `${view.part(second) * 100}%`;
    return tick;
  });
}
