// The sound drawn, with the region that is used of it and the shots' cuts over it.
// Everything on it can be moved with the pointer and, as a slider, with the keyboard.

import { make } from "../dom.js";
import { clock } from "../time.js";

const HEIGHT = 100; // of the drawing; below it stand the times
const KEYS = { ArrowLeft: -0.1, ArrowRight: 0.1, ArrowDown: -0.1, ArrowUp: 0.1, PageDown: -5, PageUp: 5 };
const LEAST = 0.1; // seconds of a region
const FULL = 100; // a peak at full scale

/** on: {region(start, end), cut(index, second), seek(second)}, in seconds of the file. */
export class Waveform {
  constructor(place, on) {
    this.place = place;
    this.on = on;
    this.peaks = [];
    this.length = this.start = this.end = this.head = 0;
    this.cuts = [];
    this.canvas = make("canvas");
    this.region = make("div", { className: "region" });
    this.edges = ["Start", "End"].map((name) => handle("edge", `${name} of the region`));
    this.line = make("div", { className: "playhead" });
    this.cutHandles = [];
    this.ticks = [];
    place.replaceChildren(this.canvas, this.region, ...this.edges, this.line);
    this.edges.forEach((edge, index) => {
      slide(edge, this, () => (index ? this.end : this.start), (second) => this.moveEdge(index, second));
    });
    this.takePointer();
    new ResizeObserver(() => this.draw()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** peaks: 0 to 100, evenly over the file; cuts: [{second, movable}], the borders between shots. */
  show(values) {
    Object.assign(this, values);
    this.draw();
  }

  moveEdge(index, second) {
    const start = index ? this.start : Math.min(second, this.end - LEAST);
    const end = index ? Math.max(second, this.start + LEAST) : this.end;
    this.on.region(this.within(start), this.within(end));
  }

  within(second) {
    return Math.min(this.length, Math.max(0, Math.round(second * 100) / 100));
  }

  /** The second under a pointer. */
  at(event) {
    const box = this.place.getBoundingClientRect();
    return this.within(((event.clientX - box.left) / box.width) * this.length);
  }

  /** A drag over the waveform makes a region, a drag in the region moves it, a click is a seek. */
  takePointer() {
    this.place.addEventListener("pointerdown", (event) => {
      if (event.button || event.target.closest("[role=slider]") || !this.length) return;
      const from = this.at(event);
      const moves = event.target === this.region && this.end - this.start < this.length - 0.01;
      const { start, end } = this;
      let far = false;
      drag(this.place, event, (move) => {
        const second = this.at(move);
        far ||= Math.abs(move.clientX - event.clientX) > 4;
        if (!far) return;
        if (moves) {
          const by = Math.min(this.length - end, Math.max(-start, second - from));
          this.on.region(this.within(start + by), this.within(end + by));
        } else if (Math.abs(second - from) >= LEAST) {
          this.on.region(Math.min(from, second), Math.max(from, second));
        }
      }, () => far || this.on.seek(from));
    });
  }

  draw() {
    const width = this.place.clientWidth;
    if (!width || !this.length) return;
    this.paint(width);
    const x = (second) => `${(second / this.length) * 100}%`;
    this.region.style.left = x(this.start);
    this.region.style.width = x(this.end - this.start);
    this.line.style.left = x(this.head);
    [this.start, this.end].forEach((second, index) => {
      this.edges[index].style.left = x(second);
      say(this.edges[index], second, this.length);
    });
    this.drawCuts(x);
    this.drawTicks(width, x);
  }

  /** Moves the playhead alone: called at every picture of the screen. */
  point(second) {
    this.head = second;
    this.line.style.left = `${(second / this.length) * 100}%`;
  }

  paint(width) {
    const scale = devicePixelRatio || 1;
    const full = this.place.clientHeight;
    this.canvas.width = width * scale;
    this.canvas.height = full * scale;
    const pen = this.canvas.getContext("2d");
    const style = getComputedStyle(this.place);
    const [faint, strong] = ["--wave", "--accent"].map((name) => style.getPropertyValue(name));
    pen.scale(scale, scale);
    const bars = Math.floor(width / 3);
    for (let bar = 0; bar < bars; bar += 1) {
      const from = Math.floor((bar / bars) * this.peaks.length);
      const to = Math.max(from + 1, Math.floor(((bar + 1) / bars) * this.peaks.length));
      const peak = Math.max(0, ...this.peaks.slice(from, to));
      const tall = Math.max(2, (peak / FULL) * (HEIGHT - 8));
      const second = ((bar + 0.5) / bars) * this.length;
      pen.fillStyle = second >= this.start && second < this.end ? strong : faint;
      pen.fillRect(bar * 3, (HEIGHT - tall) / 2, 2, tall);
    }
  }

  drawCuts(x) {
    while (this.cutHandles.length > this.cuts.length) this.cutHandles.pop().remove();
    while (this.cutHandles.length < this.cuts.length) {
      const index = this.cutHandles.length;
      const cut = handle("cut", `Cut to shot ${index + 2}`);
      cut.append(make("span", {}, String(index + 2)));
      slide(cut, this, () => this.cuts[index].second, (second) => this.on.cut(index, second), () => this.cuts[index].movable);
      this.place.append(cut);
      this.cutHandles.push(cut);
    }
    this.cutHandles.forEach((cut, index) => {
      const { second, movable } = this.cuts[index];
      cut.style.left = x(second);
      cut.classList.toggle("movable", movable);
      cut.tabIndex = movable ? 0 : -1;
      cut.setAttribute("aria-disabled", String(!movable));
      say(cut, second, this.length);
    });
  }

  drawTicks(width, x) {
    for (const tick of this.ticks) tick.remove();
    const every = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600].find((step) => (this.length / step) * 56 <= width) ?? 7200;
    const times = [];
    for (let second = 0; second < this.length - every * 0.6; second += every) times.push(second);
    times.push(this.length);
    this.ticks = times.map((second, index) => {
      const place = index === 0 ? " first" : index === times.length - 1 ? " last" : "";
      const tick = make("span", { className: `tick${place}` }, clock(Math.round(second * 10) / 10));
      tick.style.left = x(second);
      return tick;
    });
    this.place.append(...this.ticks);
  }
}

function handle(kind, label) {
  return make("div", { className: kind, tabIndex: 0, role: "slider", "aria-label": label, "aria-orientation": "horizontal" });
}

function say(slider, second, length) {
  slider.setAttribute("aria-valuemin", "0");
  slider.setAttribute("aria-valuemax", String(length));
  slider.setAttribute("aria-valuenow", String(second));
  slider.setAttribute("aria-valuetext", clock(second));
}

/** A slider: dragged by the pointer; arrows 0.1 s, with shift 1 s, page keys 5 s, Home and End. */
function slide(element, wave, value, move, may = () => true) {
  element.addEventListener("pointerdown", (event) => {
    if (event.button || !may()) return;
    element.focus();
    drag(element, event, (moved) => move(wave.at(moved)));
  });
  element.addEventListener("keydown", (event) => {
    const ends = { Home: 0, End: wave.length };
    if (!may() || !(event.key in KEYS || event.key in ends)) return;
    event.preventDefault();
    const step = KEYS[event.key] * (event.shiftKey && event.key.startsWith("Arrow") ? 10 : 1);
    move(wave.within(event.key in ends ? ends[event.key] : value() + step));
  });
}

function drag(element, first, onMove, onEnd = () => {}) {
  first.preventDefault();
  const stop = new AbortController();
  const end = (event) => {
    stop.abort();
    if (event.type === "pointerup") onEnd();
  };
  element.setPointerCapture(first.pointerId);
  element.addEventListener("pointermove", onMove, { signal: stop.signal });
  element.addEventListener("pointerup", end, { signal: stop.signal });
  element.addEventListener("pointercancel", end, { signal: stop.signal });
}
