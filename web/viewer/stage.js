// @ts-check
import { maskOf } from "./atlas.js";
import { icon, make } from "./dom.js";
import { fit } from "./painter.js";

/** @typedef {import("./types.js").Scene} Scene */
/** @typedef {import("./painter.js").Box} Box */
/** @typedef {import("./painter.js").Painter} Painter */
/** @typedef {import("./painter.js").View} View */

const GAP = 6; // CSS pixels between two pictures

/**
 * One or two boxes of the video's shape, beside or above each other, whichever makes them larger.
 * @param {Scene} scene @param {number} count 1 or 2 @param {number} width @param {number} height
 * @param {number} [gap] @returns {Box[]}
 */
export function boxesOf(scene, count, width, height, gap = GAP) {
  if (count < 2) return [fit(scene, { x: 0, y: 0, width, height })];
  const half = { width: (width - gap) / 2, height: (height - gap) / 2 };
  const beside = [0, 1].map((at) => ({ x: at * (half.width + gap), y: 0, width: half.width, height }));
  const above = [0, 1].map((at) => ({ x: 0, y: at * (half.height + gap), width, height: half.height }));
  const [one, other] = [beside, above].map((boxes) => boxes.map((box) => fit(scene, box)));
  return one[0].width >= other[0].width ? one : other;
}

/** The picture in the middle, and what the masks say under the pointer. */
export class Stage {
  /** @type {{x: number, y: number} | null} in CSS pixels of the canvas */
  #pointer = null;
  /** @type {{view: View, box: Box}[]} what is on it now */
  #shown = [];

  /** @param {Painter} painter @param {(values: number[] | null) => void} read told of masks 0..255 */
  constructor(painter, read) {
    this.painter = painter;
    this.read = read;
    this.canvas = make("canvas", { role: "img", said: { "aria-label": "stage" } });
    this.words = make("div", { className: "interact-words" });
    this.element = make("div", { className: "interact-stage" }, this.canvas, this.words);
    this.canvas.addEventListener("pointermove", (event) => {
      const box = this.canvas.getBoundingClientRect();
      const scale = this.element.clientWidth / Math.max(1, box.width); // the graph may be zoomed
      this.#pointer = { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
      this.readPointer();
    });
    this.canvas.addEventListener("pointerleave", () => {
      this.#pointer = null;
      this.readPointer();
    });
  }

  get isEmpty() {
    return !this.#shown.length;
  }

  /** @param {View[]} views one, two or none @param {string} [words] over it @param {string} [hint] */
  draw(views, words = "", hint = "") {
    const width = this.element.clientWidth;
    const height = this.element.clientHeight;
    const unit = Math.min(2, window.devicePixelRatio || 1);
    const canvas = this.canvas.getContext("2d");
    if (!canvas || !width || !height) return;
    const size = [Math.round(width * unit), Math.round(height * unit)];
    if (this.canvas.width !== size[0] || this.canvas.height !== size[1])
      [this.canvas.width, this.canvas.height] = size;
    else canvas.clearRect(0, 0, size[0], size[1]);
    const boxes = views.length ? boxesOf(views[0].scene, views.length, width, height) : [];
    this.#shown = views.map((view, at) => ({ view, box: boxes[at] }));
    for (const { view, box } of this.#shown) {
      const scaled = { x: box.x * unit, y: box.y * unit, width: box.width * unit, height: box.height * unit };
      this.painter.paint(canvas, scaled, view, unit);
    }
    if (this.words.dataset.words !== words + hint) {
      this.words.dataset.words = words + hint;
      this.words.replaceChildren(
        ...(hint ? [emblem()] : []),
        make("span", { textContent: words }),
        make("small", { textContent: hint }),
      );
      this.words.hidden = !words;
    }
    this.readPointer();
  }

  readPointer() {
    this.read(this.#values());
  }

  #values() {
    const at = this.#pointer;
    if (!at) return null;
    for (const { view, box } of this.#shown) {
      const u = (at.x - box.x) / box.width;
      const v = (at.y - box.y) / box.height;
      const { masks, scene, frame } = view;
      if (!masks || u < 0 || v < 0 || u >= 1 || v >= 1) continue;
      const [, height, width] = scene.grid;
      const cell = Math.floor(v * height) * width + Math.floor(u * width);
      return scene.names.map((_, character) => maskOf(masks, scene, character, frame)[cell]);
    }
    return null;
  }
}

/** Two people in outline, for a viewer that has nothing to show yet. */
function emblem() {
  const shoulders = "V33c0-6 5-10 13-10s13 4 13 10V39";
  const drawing = icon(`M6 39${shoulders}M26 14a7 8 0 1 0-14 0a7 8 0 1 0 14 0`);
  drawing.setAttribute("viewBox", "0 0 66 40");
  drawing.classList.add("interact-emblem");
  const other = icon(`M34 39${shoulders}M54 14a7 8 0 1 0-14 0a7 8 0 1 0 14 0`).firstElementChild;
  if (other) drawing.append(other);
  return drawing;
}
