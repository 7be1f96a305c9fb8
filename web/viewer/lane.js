// @ts-check
import { tell } from "./dom.js";

/** CSS pixels: what lies left of the drawing is for its labels, so that they never cover it. */
const GUTTER = 46;
const EDGE = 8;

/**
 * A drawn strip that one clicks or drags to go to a place on it: what the strip of the run and the strip of
 * the frames have in common. To assistive technology it is a slider.
 */
export class Lane {
  /**
   * @param {string} name of its class
   * @param {import("./words.js").Word} label for assistive technology
   * @param {(ratio: number, event: PointerEvent) => void} pick told the place 0..1 that was chosen
   * @param {(ratio: number) => string} read what to say of the place under the pointer
   */
  constructor(name, label, pick, read) {
    this.element = document.createElement("div");
    this.element.className = `interact-lane interact-${name}`;
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "slider");
    tell(this.element, { "aria-label": label });
    this.canvas = document.createElement("canvas");
    this.cursor = part("interact-cursor");
    this.second = part("interact-cursor interact-second");
    this.second.hidden = true;
    this.reading = part("interact-reading");
    this.element.append(this.canvas, this.cursor, this.second, this.reading);
    this.pick = pick;
    this.read = read;
    this.#listen();
  }

  /** CSS pixels. */
  get width() {
    return this.element.clientWidth;
  }

  get height() {
    return this.element.clientHeight;
  }

  /** Where the drawing begins, and how wide it is. */
  get left() {
    return GUTTER;
  }

  get span() {
    return Math.max(1, this.width - GUTTER - EDGE);
  }

  #listen() {
    const { element } = this;
    let held = false;
    const ratio = (/** @type {PointerEvent} */ event) => {
      const box = element.getBoundingClientRect(); // what is seen, however the canvas around is zoomed
      const x = ((event.clientX - box.left) / Math.max(1, box.width)) * this.width;
      return Math.min(1, Math.max(0, (x - this.left) / this.span));
    };
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.stopPropagation();
      held = true;
      element.setPointerCapture(event.pointerId);
      this.pick(ratio(event), event);
    });
    element.addEventListener("pointermove", (event) => {
      if (held) this.pick(ratio(event), event);
      this.#say(this.read(ratio(event)), ratio(event));
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
      element.addEventListener(end, () => (held = false));
    element.addEventListener("pointerleave", () => this.#say(""));
  }

  /** @param {string} words @param {number} [ratio] */
  #say(words, ratio = 0) {
    if (this.reading.textContent !== words) this.reading.textContent = words;
    if (!words) return;
    const half = this.reading.offsetWidth / 2;
    const middle = Math.min(Math.max(this.left + ratio * this.span, half), Math.max(this.width - half, half));
    this.reading.style.transform = `translateX(${middle - half}px)`;
  }

  /** @param {number} lowest @param {number} highest @param {number} now @param {string} words */
  announce(lowest, highest, now, words) {
    const values = { valuemin: lowest, valuemax: highest, valuenow: now, valuetext: words };
    for (const [key, value] of Object.entries(values)) this.element.setAttribute(`aria-${key}`, `${value}`);
  }

  /**
   * The canvas, cleared and in CSS pixels, and the colours of the page around it.
   * @returns {{canvas: CanvasRenderingContext2D, width: number, height: number, ink: string, paper: string,
   *   font: string} | null}
   */
  begin() {
    const { width, height } = this;
    const canvas = this.canvas.getContext("2d");
    if (!canvas || !width || !height) return null;
    const unit = Math.min(2, window.devicePixelRatio || 1);
    this.canvas.width = Math.round(width * unit);
    this.canvas.height = Math.round(height * unit);
    canvas.scale(unit, unit);
    const style = getComputedStyle(this.element);
    const paper = getComputedStyle(this.element.parentElement ?? this.element).backgroundColor;
    return { canvas, width, height, ink: style.color, paper, font: style.fontFamily };
  }

  /** @param {HTMLElement} cursor @param {number} left CSS pixels @param {number} [width] */
  place(cursor, left, width = 0) {
    cursor.style.transform = `translateX(${left}px)`;
    cursor.style.width = width ? `${width}px` : "";
  }
}

/** @param {string} name */
function part(name) {
  const element = document.createElement("div");
  element.className = name;
  return element;
}
