// What is seen of a sound: all of it, or a stretch that is zoomed into. Seconds of the file.

const LEAST = 2; // seconds that fill the width at the closest

export class View {
  constructor() {
    this.open(0);
  }

  /** A sound of so many seconds, seen as a whole. */
  open(length) {
    this.length = this.to = length;
    this.from = 0;
  }

  get span() {
    return this.to - this.from;
  }

  get whole() {
    return this.span >= this.length;
  }

  get closest() {
    return this.span <= Math.min(LEAST, this.length);
  }

  /** Where a second stands, as a share of the width: below 0 and above 1 outside. */
  part(second) {
    return (second - this.from) / this.span;
  }

  second(part) {
    return this.from + part * this.span;
  }

  sees(second) {
    return second >= this.from && second <= this.to;
  }

  /** So many times closer; `second` stays where it is. */
  zoom(times, second) {
    const part = this.part(second);
    const span = Math.min(this.length, Math.max(LEAST, this.span / times));
    this.place(second - part * span, span);
  }

  /** To the left or right, by a share of the width. */
  scroll(parts) {
    this.place(this.from + parts * this.span, this.span);
  }

  /** Brings a second into sight, a little off the border; says whether anything moved. */
  show(second) {
    if (this.sees(second)) return false;
    this.place(second - this.span * (second < this.from ? 0.1 : 0.9), this.span);
    return true;
  }

  place(from, span) {
    this.from = Math.min(Math.max(0, from), Math.max(0, this.length - span));
    this.to = Math.min(this.length, this.from + span);
  }
}
