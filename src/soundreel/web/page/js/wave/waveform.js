// The sound drawn, with the region that is used of it and the shots' cuts over it.
// Everything on it can be moved with the pointer and, as a slider, with the keyboard.

import { make } from "../dom.js";
import { drag, handle, say, slide } from "./handles.js";
import * as paint from "./paint.js";
import { View } from "./view.js";
import { control } from "./zoom.js";

const LEAST = 0.1; // seconds of a region

/** on: {start(second), end(second), region(start, end), cut(index, second), seek(second)}, in seconds
    of the file; finer(): more peaks are wanted, which may come by `show`. */
export class Waveform {
  constructor(place, on) {
    this.place = place;
    this.on = on;
    this.peaks = [];
    this.fine = null;
    this.length = this.start = this.end = this.head = 0;
    this.cuts = [];
    this.view = new View();
    this.stop = () => {};
    this.canvas = make("canvas");
    this.region = make("div", { className: "region" });
    this.edges = ["Start", "End"].map((name) => handle("edge", `${name} of the region`));
    this.line = handle("playhead", "Playhead");
    this.cutHandles = [];
    this.ticks = [];
    place.replaceChildren(this.canvas, this.region, ...this.edges, this.line);
    slide(this.edges[0], this, () => this.start, (second) => on.start(Math.min(second, this.end - LEAST)));
    slide(this.edges[1], this, () => this.end, (second) => on.end(Math.max(second, this.start + LEAST)));
    slide(this.line, this, () => this.head, (second) => on.seek(second));
    this.takePointer();
    this.drawControls = control(this);
    new ResizeObserver(() => this.draw()).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** peaks: 0 to 100, evenly over the file; fine: more of them, for a closer look;
      cuts: [{second, movable}], the borders between shots. Another sound is seen as a whole. */
  show(values) {
    Object.assign(this, values);
    if (values.peaks || this.view.length !== this.length) this.view.open(this.length);
    this.draw();
  }

  within(second) {
    return Math.min(this.length, Math.max(0, Math.round(second * 100) / 100));
  }

  under(clientX) {
    const box = this.place.getBoundingClientRect();
    return this.view.second(Math.min(1, Math.max(0, (clientX - box.left) / box.width)));
  }

  /** The second under a pointer. */
  at(event) {
    return this.within(this.under(event.clientX));
  }

  reveal(second) {
    if (this.view.show(second)) this.draw();
  }

  /** A drag over the waveform makes a region, a drag in the region moves it, a click is a seek. */
  takePointer() {
    this.place.addEventListener("pointerdown", (event) => {
      if (event.button || !event.isPrimary || event.target.closest("[role=slider]") || !this.length) return;
      const from = this.at(event);
      const moves = event.target === this.region && this.end - this.start < this.length - 0.01;
      const { start, end } = this;
      let far = false;
      this.stop = drag(this.place, event, (move) => {
        const second = this.at(move);
        far ||= Math.abs(move.clientX - event.clientX) > 4;
        if (!far) return;
        if (moves) {
          const by = Math.min(this.length - end, Math.max(-start, second - from));
          this.on.region(start + by, end + by);
        } else if (Math.abs(second - from) >= LEAST) {
          this.on.region(Math.min(from, second), Math.max(from, second));
        }
      }, () => far || this.on.seek(from));
    });
  }

  draw() {
    const width = this.place.clientWidth;
    if (!width || !this.length) return;
    const close = paint.wanted(this.view, width) > this.peaks.length && !this.view.whole;
    if (close && !this.fine) this.on.finer();
    paint.bars(this.canvas, this.view, (close && this.fine) || this.peaks, this);
    const [from, to] = [this.start, this.end].map((second) => Math.min(1, Math.max(0, this.view.part(second))));
    this.region.style.left = `${from * 100}%`;
    this.region.style.width = `${(to - from) * 100}%`;
    this.put(this.line, this.head);
    this.put(this.edges[0], this.start);
    this.put(this.edges[1], this.end);
    this.drawCuts();
    for (const tick of this.ticks) tick.remove();
    this.ticks = paint.ticks(this.view, width);
    this.place.append(...this.ticks);
    this.drawControls();
  }

  /** Moves the playhead alone: called at every picture of the screen. */
  point(second) {
    const followed = this.view.sees(this.head);
    this.head = second;
    if (followed && this.view.show(second)) this.draw();
    else this.put(this.line, second);
  }

  /** A slider where its second is; outside of the view it is not seen, but the focus finds it. */
  put(slider, second) {
    slider.style.left = `${Math.min(1, Math.max(0, this.view.part(second))) * 100}%`;
    slider.classList.toggle("outside", !this.view.sees(second));
    say(slider, second, this.length);
  }

  drawCuts() {
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
      this.put(cut, second);
      cut.classList.toggle("movable", movable);
      cut.tabIndex = movable ? 0 : -1;
      cut.setAttribute("aria-disabled", String(!movable));
    });
  }
}
