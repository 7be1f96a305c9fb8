// @ts-check
import { arrange, merged, roomsOf } from "./arrange.js";
import { maskOf } from "./atlas.js";
import { icon, make, tell } from "./dom.js";
import { Gestures } from "./gestures.js";
import { Lens } from "./lens.js";
import { fit } from "./painter.js";
import { Wipe } from "./wipe.js";

/** @typedef {import("./arrange.js").Placed} Placed */
/** @typedef {import("./lens.js").Point} Point */
/** @typedef {import("./painter.js").Painter} Painter */
/** @typedef {import("./painter.js").View} View */
/** @typedef {import("./types.js").Compare} Compare */
/** @typedef {{values: number[], signed: boolean}} Reading of every mask 0..255, or how much it has changed */

/** The picture in the middle, what the masks say under the pointer, and what it is looked at through. */
export class Stage {
  /** @type {Point | null} */
  #pointer = null;
  /** What is on it now. @type {Placed[]} */
  shown = [];

  /**
   * @param {Painter} painter @param {(reading: Reading | null) => void} read told of the place under the pointer
   * @param {() => void} changed another part of the picture is to be seen
   */
  constructor(painter, read, changed) {
    this.painter = painter;
    this.read = read;
    this.changed = changed;
    this.lens = new Lens();
    this.wipe = new Wipe(changed);
    this.canvas = make("canvas", { role: "img", said: { "aria-label": "stage" } });
    this.words = make("div", { className: "interact-words" });
    this.whole = make("button", {
      type: "button",
      className: "interact-whole",
      hidden: true,
      said: { textContent: ["zoomed", { percent: "100" }], title: "wholeHint" },
      onclick: () => this.reset(),
    });
    this.warning = make("div", { className: "interact-warned" });
    this.element = make(
      "div",
      { className: "interact-stage" },
      this.canvas,
      this.wipe.element,
      this.words,
      this.warning,
      this.whole,
    );
    this.gestures = new Gestures(this);
    this.canvas.addEventListener("pointermove", (event) => {
      this.#pointer = this.pointOf(event);
      this.readPointer();
    });
    this.canvas.addEventListener("pointerleave", () => {
      this.#pointer = null;
      this.readPointer();
    });
  }

  get isEmpty() {
    return !this.shown.length;
  }

  /** Where something happened, in CSS pixels of the stage. @param {MouseEvent} event @returns {Point} */
  pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.element.clientWidth / Math.max(1, box.width); // the graph may be zoomed
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
  }

  /** The picture at a point, or the last one; undefined where there is none. @param {Point} [point] */
  at(point) {
    const inside = (/** @type {Placed} */ { seen }) => point && isWithin(point, seen);
    const placed = this.shown.find(inside) ?? this.shown.at(-1);
    return placed && { ...placed, whole: fit(placed.view.scene, placed.room) };
  }

  /** @param {number} steps of a key, below 0 to make it smaller */
  zoomBy(steps) {
    const placed = this.at();
    if (placed) this.lens.zoomBy(steps, placed.whole, placed.room);
    this.changed();
  }

  /** @param {number} x @param {number} y CSS pixels that the picture is moved by */
  panBy(x, y) {
    const placed = this.at();
    if (placed) this.lens.pan(x, y, placed.whole, placed.room);
    this.changed();
  }

  /** Shows all of the picture. */
  reset() {
    this.lens.reset();
    this.changed();
  }

  /**
   * @param {View[]} views one, two or none
   * @param {{words?: string, hint?: string, compare?: Compare}} [more] words in their middle, and how two are compared
   */
  draw(views, { words = "", hint = "", compare = "beside" } = {}) {
    const width = this.element.clientWidth;
    const height = this.element.clientHeight;
    const unit = Math.min(2, window.devicePixelRatio || 1);
    const canvas = this.canvas.getContext("2d");
    if (!canvas || !width || !height) return;
    const size = [Math.round(width * unit), Math.round(height * unit)];
    if (this.canvas.width !== size[0] || this.canvas.height !== size[1])
      [this.canvas.width, this.canvas.height] = size;
    else canvas.clearRect(0, 0, size[0], size[1]);
    const drawn = merged(views, compare);
    const rooms = drawn.length ? roomsOf(drawn[0].scene, compare === "wipe" ? 1 : drawn.length, width, height) : [];
    this.shown = arrange(drawn, rooms, this.wipe.place, this.lens);
    const scaled = (/** @type {import("./painter.js").Box} */ { x, y, width: across, height: down }) => ({
      x: x * unit,
      y: y * unit,
      width: across * unit,
      height: down * unit,
    });
    for (const { view, box, seen } of this.shown)
      this.painter.paint(canvas, scaled(box), view, unit, scaled(seen));
    this.wipe.show(rooms.length < drawn.length ? this.shown : []);
    this.#say(words, hint);
    this.#tellZoom();
    this.readPointer();
  }

  /** @param {string} words @param {string} hint */
  #say(words, hint) {
    if (this.words.dataset.words === words + hint) return;
    this.words.dataset.words = words + hint;
    this.words.replaceChildren(
      ...(hint ? [emblem()] : []),
      make("span", { textContent: words }),
      make("small", { textContent: hint }),
    );
    this.words.hidden = !words;
  }

  /** How large it is, and whether there are pixels to see in it. */
  #tellZoom() {
    const { lens } = this;
    this.whole.hidden = lens.isWhole || this.isEmpty;
    this.canvas.classList.toggle("interact-movable", !this.whole.hidden);
    if (this.whole.hidden) return;
    const { backdrop } = this.shown[this.shown.length - 1].view;
    const percent = `${Math.round(100 * lens.scale)}`;
    const size = backdrop && `${Math.round(backdrop.width)} x ${Math.round(backdrop.height)}`;
    if (!backdrop || !size) tell(this.whole, { textContent: ["zoomed", { percent }] });
    else tell(this.whole, { textContent: [backdrop.single ? "zoomedFull" : "zoomedPreview", { percent, size }] });
  }

  readPointer() {
    this.read(this.#values());
  }

  /** @returns {Reading | null} */
  #values() {
    const at = this.#pointer;
    for (const { view, box, seen } of at ? this.shown : []) {
      const { masks, before, scene, frame } = view;
      if (!at || !masks || !isWithin(at, seen)) continue;
      const [, height, width] = scene.grid;
      const [u, v] = [(at.x - box.x) / box.width, (at.y - box.y) / box.height];
      const cell = Math.min(Math.floor(v * height), height - 1) * width + Math.min(Math.floor(u * width), width - 1);
      const valueOf = (/** @type {Uint8Array} */ of, /** @type {number} */ character) =>
        maskOf(of, scene, character, frame)[cell];
      const values = scene.names.map(
        (_, character) => valueOf(masks, character) - (before ? valueOf(before, character) : 0),
      );
      return { values, signed: Boolean(before) };
    }
    return null;
  }
}

/** @param {Point} point @param {import("./painter.js").Box} box */
function isWithin({ x, y }, box) {
  return x >= box.x && y >= box.y && x < box.x + box.width && y < box.y + box.height;
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
