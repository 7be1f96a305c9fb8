// @ts-check
/** Draws the ruler and the lanes. What is not seen is not drawn, and a waveform costs as much as it is wide. */
import { css } from "../viewer/palette.js";
import { endOf } from "./model.js";

/** @typedef {import("./model.js").Clip} Clip */
/** @typedef {import("./view.js").View} View */
/** @typedef {import("../viewer/types.js").Colour} Colour */
/**
 * @typedef {object} Scene
 * @property {import("./model.js").Dialogue} dialogue
 * @property {Set<number>} solo
 * @property {number | null} selected
 * @property {number} fps
 * @property {number} end seconds at which the film ends
 * @property {[number, number] | null} loop
 * @property {import("./arrange.js").Span[]} overlaps
 * @property {import("./arrange.js").Span[]} pauses
 * @property {Colour[]} colours
 * @property {number | undefined} snap a time that a drag sticks to
 * @property {{lane: number, time: number} | undefined} target where a file would be dropped
 * @property {(file: string) => import("./peaks.js").Pyramid | undefined} outline
 * @property {(file: string) => string | undefined} failure
 */
/** @typedef {{ink: string, paper: string, font: string}} Theme */

export const RULER = 24; // CSS pixels
export const LANE = 60;
const GAP = 3; // above and below a clip
const HEAD = 14; // of a clip, for its label
const WARNING = "#d55e00";
const TICKS = [0.04, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800];
const TICK_ROOM = 62; // pixels between numbers
const ROUND = 5;
const FAINT = 0.35; // of what is not heard

/** @param {CanvasRenderingContext2D} canvas @param {View} view @param {Scene} scene @param {Theme} theme */
export function drawRuler(canvas, view, scene, { ink, font }) {
  const { width } = view;
  canvas.font = `10px ${font}`;
  canvas.textBaseline = "middle";
  if (scene.loop) {
    canvas.fillStyle = ink;
    canvas.globalAlpha = 0.14;
    const [from, to] = scene.loop.map((time) => view.x(time));
    roundRect(canvas, from, 2, to - from, RULER - 9, 3);
    canvas.fill();
  }
  const step = TICKS.find((seconds) => seconds * view.scale >= TICK_ROOM) ?? 3600;
  canvas.fillStyle = ink;
  for (let at = Math.floor(view.left / step); at * step <= view.right; at++) {
    const x = Math.round(view.x(at * step));
    canvas.globalAlpha = 0.25;
    canvas.fillRect(x, RULER - 10, 1, 4);
    canvas.globalAlpha = 0.6;
    canvas.fillText(clock(at * step, step), x + 4, 9.5);
  }
  canvas.globalAlpha = 0.22;
  for (const [from, to] of scene.pauses) canvas.fillRect(...bar(view, from, to));
  canvas.globalAlpha = 0.95;
  canvas.fillStyle = WARNING;
  for (const [from, to] of scene.overlaps) canvas.fillRect(...bar(view, from, to));
  canvas.globalAlpha = 1;
  canvas.clearRect(width, 0, 1, RULER);
}

/** @param {View} view @param {number} from @param {number} to @returns {[number, number, number, number]} */
function bar(view, from, to) {
  const left = Math.max(-2, view.x(from));
  return [left, RULER - 5, Math.max(2, Math.min(view.width + 2, view.x(to)) - left), 3];
}

/** @param {number} time @param {number} step */
function clock(time, step) {
  const minutes = Math.floor(time / 60 + 1e-9);
  const seconds = (time - 60 * minutes).toFixed(step < 0.1 ? 2 : step < 1 ? 1 : 0);
  return step >= 1 || minutes ? `${minutes}:${seconds.padStart(step < 1 ? seconds.length : 2, "0")}` : seconds;
}

/** @typedef {{clip: Clip, number: number, y: number, left: number, right: number, gain: number, heard: boolean}} Piece */

/**
 * @param {CanvasRenderingContext2D} canvas @param {View} view @param {Scene} scene @param {Theme} theme
 * @param {import("./peaks.js").WaveSheet} sheet @param {{top: number, bottom: number}} seen of the lanes, CSS pixels
 */
export function drawLanes(canvas, view, scene, theme, sheet, { top, bottom }) {
  const { lanes } = scene.dialogue;
  const unit = canvas.getTransform().a;
  sheet.begin(canvas.canvas.width, canvas.canvas.height);
  canvas.globalAlpha = 0.045;
  canvas.fillStyle = theme.ink;
  lanes.forEach((_, index) => box(canvas, 0, index * LANE + 1, view.width, LANE - 2, "fill"));
  const pieces = lanes.flatMap((lane, number) => {
    const y = number * LANE;
    if (y + LANE < top || y > bottom) return [];
    const heard = scene.solo.size ? scene.solo.has(lane.id) : !lane.mute;
    const inside = lane.clips.filter((clip) => endOf(clip) >= view.left && clip.start <= view.right);
    return inside.map((clip) => pieceOf(view, clip, { number, y, gain: lane.gain, heard: heard && !clip.mute }));
  });
  pieces.sort((one, other) => Number(one.clip.id === scene.selected) - Number(other.clip.id === scene.selected));
  for (const piece of pieces) drawGround(canvas, scene, theme, piece);
  for (const piece of pieces) traceWave(canvas, sheet, unit, view, scene, piece);
  sheet.lay(canvas, view.width, lanes.length * LANE);
  for (const piece of pieces) drawFrame(canvas, scene, theme, piece);
  drawMarks(canvas, view, scene, theme, lanes.length * LANE);
}

/** @param {View} view @param {Clip} clip @param {{number: number, y: number, gain: number, heard: boolean}} lane @returns {Piece} */
function pieceOf(view, clip, lane) {
  const x = view.x(clip.start);
  const end = Math.max(x + 2, view.x(endOf(clip)));
  return { clip, left: Math.max(-8, x), right: Math.min(view.width + 8, end), ...lane };
}

/** @param {CanvasRenderingContext2D} canvas @param {Scene} scene @param {Theme} theme @param {Piece} piece */
function drawGround(canvas, scene, theme, { clip, number, y, left, right, heard }) {
  canvas.globalAlpha = 1;
  canvas.fillStyle = theme.paper;
  box(canvas, left, y + GAP, right - left, LANE - 2 * GAP, "fill");
  canvas.globalAlpha = (heard ? 1 : FAINT) * (clip.id === scene.selected ? 0.3 : 0.17);
  canvas.fillStyle = css(scene.colours[number]);
  box(canvas, left, y + GAP, right - left, LANE - 2 * GAP, "fill");
}

/**
 * @param {CanvasRenderingContext2D} canvas @param {import("./peaks.js").WaveSheet} sheet @param {number} unit pixels of
 *   the screen for one of CSS @param {View} view @param {Scene} scene @param {Piece} piece
 */
function traceWave(canvas, sheet, unit, view, scene, { clip, number, y, left, right, gain, heard }) {
  const outline = scene.outline(clip.file);
  const middle = y + (LANE + HEAD) / 2 - 1;
  const [red, green, blue] = scene.colours[number];
  if (!outline) {
    canvas.fillStyle = css(scene.colours[number]);
    canvas.fillRect(left, Math.round(middle), right - left, 1);
    return;
  }
  const x = Math.max(0, Math.ceil(left * unit));
  const width = Math.floor(Math.min(view.width, right) * unit) - x;
  const place = { x, width, middle: Math.round(middle * unit), half: ((LANE - HEAD) / 2 - GAP - 2) * unit };
  const from = clip.in + view.time(x / unit) - clip.start;
  const alpha = Math.round(242 * (heard ? 1 : FAINT));
  sheet.trace(outline, place, from, 1 / view.scale / unit, gain * clip.gain, [red, green, blue, alpha]);
}

/** @param {CanvasRenderingContext2D} canvas @param {Scene} scene @param {Theme} theme @param {Piece} piece */
function drawFrame(canvas, scene, theme, { clip, number, y, left, right, heard }) {
  const chosen = clip.id === scene.selected;
  const failure = scene.failure(clip.file);
  canvas.globalAlpha = chosen ? 1 : (heard ? 1 : FAINT) * 0.7;
  canvas.strokeStyle = failure ? WARNING : chosen ? theme.ink : css(scene.colours[number]);
  canvas.lineWidth = chosen ? 1.5 : 1;
  const broken = Boolean(failure) || clip.mute;
  if (broken) canvas.setLineDash([3, 3]);
  box(canvas, left + 0.5, y + GAP + 0.5, right - left - 1, LANE - 2 * GAP - 1, "stroke");
  if (broken) canvas.setLineDash([]);
  if (right - left < 26) return;
  canvas.save();
  canvas.beginPath();
  canvas.rect(left + 4, y, right - left - 8, LANE);
  canvas.clip();
  canvas.globalAlpha = heard ? 0.85 : 0.5;
  canvas.fillStyle = theme.ink;
  canvas.font = `10px ${theme.font}`;
  canvas.textBaseline = "middle";
  canvas.fillText(title(clip), Math.max(left, 0) + 7, y + GAP + HEAD / 2 + 2);
  canvas.restore();
}

/**
 * A box with round corners, where it is wide enough for one to see them.
 * @param {CanvasRenderingContext2D} canvas @param {number} x @param {number} y @param {number} width @param {number} height
 * @param {"fill" | "stroke"} how
 */
function box(canvas, x, y, width, height, how) {
  if (width < 3 * ROUND) return how === "fill" ? canvas.fillRect(x, y, width, height) : canvas.strokeRect(x, y, width, height);
  roundRect(canvas, x, y, width, height, ROUND);
  return canvas[how]();
}

/** @param {Clip} clip */
function title(clip) {
  const name = clip.label || (clip.file.split("/").pop() ?? "").replace(/ \[\w+\]$/, "");
  const gain = clip.gain === 1 ? "" : `  ${decibels(clip.gain)}`;
  return name + gain;
}

/** @param {number} gain */
export function decibels(gain) {
  if (gain <= 0) return "−∞ dB";
  const level = Math.round(200 * Math.log10(gain)) / 10;
  return `${level > 0 ? "+" : level < 0 ? "−" : ""}${Math.abs(level)} dB`;
}

/** @param {CanvasRenderingContext2D} canvas @param {View} view @param {Scene} scene @param {Theme} theme @param {number} height */
function drawMarks(canvas, view, scene, theme, height) {
  canvas.globalAlpha = 0.13;
  canvas.fillStyle = WARNING;
  for (const [from, to] of scene.overlaps) canvas.fillRect(view.x(from), 0, view.x(to) - view.x(from), height);
  const end = view.x(scene.end);
  if (end < view.width && scene.dialogue.lanes.some((lane) => lane.clips.length)) {
    canvas.globalAlpha = 0.45;
    canvas.fillStyle = theme.paper;
    canvas.fillRect(end, 0, view.width - end, height);
    canvas.globalAlpha = 0.4;
    canvas.fillStyle = theme.ink;
    for (let y = 0; y < height; y += 5) canvas.fillRect(Math.round(end), y, 1, 2);
  }
  canvas.globalAlpha = 1;
  if (scene.snap !== undefined) {
    canvas.fillStyle = "#56b4e9";
    canvas.fillRect(Math.round(view.x(scene.snap)), 0, 1, height);
  }
  if (scene.target) {
    canvas.fillStyle = "#56b4e9";
    canvas.globalAlpha = 0.12;
    roundRect(canvas, 0, scene.target.lane * LANE + 1, view.width, LANE - 2, ROUND);
    canvas.fill();
    canvas.globalAlpha = 1;
    canvas.fillRect(Math.round(view.x(scene.target.time)), scene.target.lane * LANE + 2, 2, LANE - 4);
  }
}

/** @param {CanvasRenderingContext2D} canvas @param {number} x @param {number} y @param {number} width @param {number} height @param {number} radius */
function roundRect(canvas, x, y, width, height, radius) {
  canvas.beginPath();
  canvas.roundRect(x, y, Math.max(0, width), Math.max(0, height), Math.min(radius, Math.max(0, width / 2)));
}
