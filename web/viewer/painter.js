// @ts-check
import { maskOf } from "./atlas.js";
import { composeSoft, composeWinner, outlineOf, placeOfName, winnerScale } from "./compose.js";
import { PAPER, css } from "./palette.js";

/** @typedef {import("./types.js").Colour} Colour */
/** @typedef {import("./types.js").Mode} Mode */
/** @typedef {import("./types.js").Scene} Scene */
/** @typedef {import("./pictures.js").Backdrop} Backdrop */
/** @typedef {{x: number, y: number, width: number, height: number}} Box */
/** @typedef {{path: Path2D, name: {x: number, y: number} | null}} Shape */
/**
 * @typedef {object} View What is to be drawn of one step in one frame.
 * @property {Scene} scene
 * @property {Uint8Array | undefined} masks [N, T, h, w]
 * @property {Backdrop | undefined} backdrop
 * @property {number} frame
 * @property {number[]} visible numbers of the characters that are switched on
 * @property {Colour[]} colours of all characters
 * @property {Mode} mode
 * @property {number} opacity
 * @property {boolean} names
 * @property {string} [caption]
 */

const SHAPES = 400; // outlines that are kept; one of 60 x 104 cells is some kilobytes
const INK = "rgb(245 245 245)";

/** The largest box of the video's shape in the middle of another. @param {Scene} scene @param {Box} box */
export function fit(scene, box) {
  const scale = Math.min(box.width / scene.width, box.height / scene.height);
  const width = scene.width * scale;
  const height = scene.height * scale;
  return { x: box.x + (box.width - width) / 2, y: box.y + (box.height - height) / 2, width, height };
}

/** Draws masks over frames: small first, then enlarged smoothly, with outlines and names in full size. */
export class Painter {
  #small = document.createElement("canvas");
  /** @type {Map<string, Shape>} */
  #shapes = new Map();
  /** A number for every array of masks, to name its shapes by. @type {WeakMap<Uint8Array, number>} */
  #numbers = new WeakMap();
  #next = 0;

  /** @param {string} font family for names and captions */
  constructor(font = "sans-serif") {
    this.font = font;
  }

  /**
   * @param {CanvasRenderingContext2D} canvas @param {Box} box of the picture
   * @param {View} view @param {number} unit pixels of the canvas per CSS pixel
   */
  paint(canvas, box, view, unit) {
    canvas.save();
    canvas.beginPath();
    canvas.rect(box.x, box.y, box.width, box.height);
    canvas.clip();
    canvas.fillStyle = css(PAPER);
    canvas.fillRect(box.x, box.y, box.width, box.height);
    if (view.backdrop) this.#paintBackdrop(canvas, box, view.backdrop, view.frame);
    if (view.masks) {
      if (view.mode !== "outline") this.#paintTint(canvas, box, view);
      this.#paintOutlines(canvas, box, view, unit);
      if (view.names) this.#paintNames(canvas, box, view, unit);
    }
    if (view.caption) this.#paintCaption(canvas, box, view.caption, unit);
    canvas.restore();
  }

  /** @param {CanvasRenderingContext2D} canvas @param {Box} box @param {Backdrop} backdrop @param {number} frame */
  #paintBackdrop(canvas, box, backdrop, frame) {
    const { bitmap, columns, width, height } = backdrop;
    canvas.imageSmoothingEnabled = true;
    canvas.imageSmoothingQuality = "high";
    const left = (frame % columns) * width;
    const top = Math.floor(frame / columns) * height;
    canvas.drawImage(bitmap, left, top, width, height, box.x, box.y, box.width, box.height);
  }

  /** @param {CanvasRenderingContext2D} canvas @param {Box} box @param {View} view */
  #paintTint(canvas, box, view) {
    const [, height, width] = view.scene.grid;
    const masks = this.#visibleMasks(view);
    const colours = view.visible.map((character) => view.colours[character]);
    const scale = view.mode === "winner" ? winnerScale(width, height, masks.length) : 1;
    const small = this.#small;
    if (small.width !== width * scale || small.height !== height * scale) {
      small.width = width * scale;
      small.height = height * scale;
    }
    const ground = small.getContext("2d");
    if (!ground) return;
    const image = ground.createImageData(small.width, small.height);
    if (view.mode === "winner") composeWinner(image.data, masks, colours, view.opacity, width, height, scale);
    else composeSoft(image.data, masks, colours, view.opacity);
    ground.putImageData(image, 0, 0);
    canvas.imageSmoothingEnabled = true;
    canvas.imageSmoothingQuality = "high";
    canvas.drawImage(small, box.x, box.y, box.width, box.height);
  }

  /** @param {CanvasRenderingContext2D} canvas @param {Box} box @param {View} view @param {number} unit */
  #paintOutlines(canvas, box, view, unit) {
    const [, height, width] = view.scene.grid;
    const alone = view.mode === "outline";
    canvas.save();
    canvas.translate(box.x, box.y);
    canvas.scale(box.width / width, box.height / height);
    canvas.lineCap = "round";
    const pixel = (unit * width) / box.width;
    for (const character of view.visible) {
      const { path } = this.#shape(view, character);
      // A dark rim, so that a line shows on a frame of its own colour.
      canvas.strokeStyle = "rgb(0 0 0 / 0.55)";
      canvas.lineWidth = (alone ? 3.6 : 2.6) * pixel;
      canvas.stroke(path);
      canvas.strokeStyle = css(view.colours[character]);
      canvas.lineWidth = (alone ? 2 : 1.3) * pixel;
      canvas.stroke(path);
    }
    canvas.restore();
  }

  /** @param {CanvasRenderingContext2D} canvas @param {Box} box @param {View} view @param {number} unit */
  #paintNames(canvas, box, view, unit) {
    const [, height, width] = view.scene.grid;
    const size = 11 * unit;
    canvas.font = `500 ${size}px ${this.font}`;
    canvas.textAlign = "center";
    canvas.textBaseline = "middle";
    for (const character of view.visible) {
      const place = this.#shape(view, character).name;
      const name = view.scene.names[character];
      if (!place || !name) continue;
      const half = canvas.measureText(name).width / 2 + 6 * unit;
      const room = box.width - half;
      const x = box.x + Math.min(Math.max((place.x / width) * box.width, half), Math.max(room, half));
      const over = (place.y / height) * box.height - 3 * unit;
      const y = box.y + Math.min(Math.max(over, size), box.height - size);
      const [red, green, blue] = view.colours[character];
      canvas.fillStyle = `rgb(${red * 0.3} ${green * 0.3} ${blue * 0.3} / 0.86)`;
      canvas.beginPath();
      canvas.roundRect(x - half, y - size * 0.8, 2 * half, size * 1.6, size * 0.8);
      canvas.fill();
      canvas.fillStyle = INK;
      canvas.fillText(name, x, y + 0.5 * unit);
    }
  }

  /** @param {CanvasRenderingContext2D} canvas @param {Box} box @param {string} caption @param {number} unit */
  #paintCaption(canvas, box, caption, unit) {
    const size = 11 * unit;
    canvas.font = `500 ${size}px ${this.font}`;
    canvas.textAlign = "left";
    canvas.textBaseline = "middle";
    const width = Math.min(canvas.measureText(caption).width + 14 * unit, box.width - 12 * unit);
    const y = box.y + box.height - 6 * unit - size * 1.7;
    canvas.fillStyle = "rgb(0 0 0 / 0.62)";
    canvas.beginPath();
    canvas.roundRect(box.x + 6 * unit, y, width, size * 1.7, 4 * unit);
    canvas.fill();
    canvas.fillStyle = INK;
    canvas.fillText(caption, box.x + 13 * unit, y + size * 0.88, width - 14 * unit);
  }

  /** @param {View} view */
  #visibleMasks({ masks, scene, frame, visible }) {
    return masks ? visible.map((character) => maskOf(masks, scene, character, frame)) : [];
  }

  /** @param {View} view @param {number} character @returns {Shape} */
  #shape({ masks, scene, frame }, character) {
    if (!masks) return { path: new Path2D(), name: null };
    let number = this.#numbers.get(masks);
    if (number === undefined) this.#numbers.set(masks, (number = this.#next++));
    const key = `${number} ${character} ${frame}`;
    let shape = this.#shapes.get(key);
    this.#shapes.delete(key);
    if (!shape) {
      const [, height, width] = scene.grid;
      const mask = maskOf(masks, scene, character, frame);
      const path = new Path2D();
      const pieces = outlineOf(mask, width, height);
      for (let at = 0; at < pieces.length; at += 4) {
        path.moveTo(pieces[at], pieces[at + 1]);
        path.lineTo(pieces[at + 2], pieces[at + 3]);
      }
      shape = { path, name: placeOfName(mask, width, height) };
    }
    this.#shapes.set(key, shape);
    if (this.#shapes.size > SHAPES) this.#shapes.delete(this.#shapes.keys().next().value ?? key);
    return shape;
  }
}
