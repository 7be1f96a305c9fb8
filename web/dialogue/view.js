// @ts-check
/** What part of the film is seen: where it begins, and how many pixels a second has. */

const CLOSEST = 1200; // pixels a second: a frame of 25 fps is 48 wide
const ROOM = 1.06; // of the film, when all of it is shown

export class View {
  left = 0; // seconds at the left edge
  scale = 100; // CSS pixels a second
  width = 1; // CSS pixels
  length = 1; // seconds of the film
  /** Whether it goes on showing the whole film when that grows. */
  fitted = true;
  /** While something is dragged the scale stays, whatever becomes of the film. */
  held = false;

  /** @param {number} time */
  x(time) {
    return (time - this.left) * this.scale;
  }

  /** @param {number} x */
  time(x) {
    return this.left + x / this.scale;
  }

  get right() {
    return this.time(this.width);
  }

  /** Seconds that one can scroll over: the film, and a page of room to put something behind it. */
  get extent() {
    return Math.max(this.length + 0.5 * (this.width / this.scale), this.width / this.scale);
  }

  get #farthest() {
    return this.width / (this.length * ROOM);
  }

  /** @param {number} length seconds of the film @param {number} width */
  resize(length, width) {
    this.length = Math.max(1, length);
    this.width = Math.max(1, width);
    if (this.fitted && !this.held) this.fit();
    else this.scroll(this.left);
  }

  fit() {
    this.fitted = true;
    this.scale = Math.min(CLOSEST, this.#farthest);
    this.left = 0;
  }

  /** @param {number} factor @param {number} x what stays where it is */
  zoom(factor, x) {
    const time = this.time(x);
    this.scale = Math.min(CLOSEST, Math.max(this.#farthest, this.scale * factor));
    this.fitted = this.scale <= this.#farthest * 1.001;
    this.scroll(time - x / this.scale);
  }

  /** @param {number} left seconds */
  scroll(left) {
    this.left = Math.max(0, Math.min(left, this.extent - this.width / this.scale));
    if (this.left > 0) this.fitted = false;
  }

  /** Scrolls so that a time is seen. @param {number} time */
  reveal(time) {
    const page = this.width / this.scale;
    if (time < this.left || time > this.left + page) this.scroll(time - 0.1 * page);
  }
}
