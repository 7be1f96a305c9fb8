// @ts-check
import { videoFramesOf } from "./atlas.js";
import { css } from "./palette.js";
import { say, seconds, stepNumber } from "./words.js";

/** @typedef {import("./viewer.js").MaskViewer} MaskViewer */
/** @typedef {import("./run_store.js").RunStore} RunStore */
/** @typedef {import("./painter.js").Box} Box */

export const GROUND = "rgb(28 28 30)";
export const INK = "rgb(235 235 235)";
export const FAINT = "rgb(150 150 155)";
export const STAMP = 24; // CSS pixels that a stamp is high

/**
 * Who is in the picture, and of which step, time and seed it is.
 * @param {CanvasRenderingContext2D} context @param {Box} box @param {number} unit pixels per CSS pixel
 * @param {MaskViewer} viewer @param {string} words
 */
export function drawStamp(context, box, unit, viewer, words) {
  const margin = 10 * unit;
  const middle = box.y + box.height / 2;
  context.fillStyle = GROUND;
  context.fillRect(box.x, box.y, box.width, box.height);
  const size = 11 * unit;
  context.font = `${size}px ${viewer.painter.font}`;
  const room = box.width - 2 * margin;
  const long = Math.min(context.measureText(words).width, room);
  write(context, viewer, words, box.x + box.width - margin, middle, FAINT, { size, align: "right", room });
  const right = box.x + box.width - margin - long - margin;
  drawNames(context, viewer, { x: box.x + margin, y: middle, right, size });
}

/**
 * Names with their colours, as many as fit.
 * @param {CanvasRenderingContext2D} context @param {MaskViewer} viewer
 * @param {{x: number, y: number, right: number, size: number}} line from where, to where, and how large the letters are
 */
export function drawNames(context, viewer, { x, y, right, size }) {
  const { run } = viewer;
  let left = x;
  for (const character of run ? viewer.visible : []) {
    const name = run?.scene.names[character] ?? "";
    context.font = `${size}px ${viewer.painter.font}`;
    const width = context.measureText(name).width;
    if (left + 1.5 * size + width > right) break; // a crowd is named on the pictures
    context.fillStyle = css(viewer.colours[character]);
    context.beginPath();
    context.roundRect(left, y - size / 2, size, size, size / 4);
    context.fill();
    write(context, viewer, name, left + 1.5 * size, y, INK, { size });
    left += 3 * size + width;
  }
}

/** @param {RunStore} run @param {number} step @param {number} frame latent frame @param {string} [more] */
export function stampOf(run, step, frame, more = "") {
  const { seed, fps } = run.scene;
  return [
    say("stampStep", { step: stepNumber(step), total: run.total }),
    seconds(videoFramesOf(frame)[0], fps),
    seed ? say("seed", { seed }) : "",
    more,
  ]
    .filter(Boolean)
    .join("  ·  ");
}

/**
 * @param {CanvasRenderingContext2D} context @param {MaskViewer} viewer @param {string} words
 * @param {number} x @param {number} y @param {string} colour
 * @param {{size?: number, align?: CanvasTextAlign, room?: number}} [how]
 */
export function write(context, viewer, words, x, y, colour, { size = 13, align = "left", room } = {}) {
  context.font = `${size}px ${viewer.painter.font}`;
  context.textAlign = align;
  context.textBaseline = "middle";
  context.fillStyle = colour;
  context.fillText(words, x, y, room);
}
