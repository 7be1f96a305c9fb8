// @ts-check
import { maskOf } from "./atlas.js";
import { placeOfName } from "./compose.js";
import { contoursOf } from "./contour.js";

/** @typedef {import("./types.js").Scene} Scene */
/** @typedef {{path: Path2D, name: {x: number, y: number} | null}} Shape in cells */

const MOST = 400; // shapes that are kept; one of 60 x 104 cells is some kilobytes

/** Outlines of masks and where their names belong, each made once while it is remembered. */
export class Shapes {
  /** @type {Map<string, Shape>} */
  #shapes = new Map();
  /** A number for every array of masks, to name its shapes by. @type {WeakMap<Uint8Array, number>} */
  #numbers = new WeakMap();
  #next = 0;

  /** @param {Uint8Array} masks @param {Scene} scene @param {number} character @param {number} frame */
  of(masks, scene, character, frame) {
    let number = this.#numbers.get(masks);
    if (number === undefined) this.#numbers.set(masks, (number = this.#next++));
    const key = `${number} ${character} ${frame}`;
    const shape = this.#shapes.get(key) ?? made(maskOf(masks, scene, character, frame), scene);
    this.#shapes.delete(key);
    this.#shapes.set(key, shape);
    if (this.#shapes.size > MOST) this.#shapes.delete(this.#shapes.keys().next().value ?? key);
    return shape;
  }
}

/** @param {Uint8Array} mask @param {Scene} scene @returns {Shape} */
function made(mask, { grid: [, height, width] }) {
  const path = new Path2D();
  for (const line of contoursOf(mask, width, height)) {
    path.moveTo(line[0], line[1]);
    for (let at = 2; at < line.length; at += 2) path.lineTo(line[at], line[at + 1]);
    if (line[0] === line.at(-2) && line[1] === line.at(-1)) path.closePath();
  }
  return { path, name: placeOfName(mask, width, height) };
}
