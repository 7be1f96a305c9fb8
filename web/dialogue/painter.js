// @ts-check
/** Draws the ruler and the lanes. What is not seen is not drawn, and a waveform costs as much as it is wide. */
import { css, dashes } from "../viewer/palette.js";
import { endOf } from "./model.js";
import { traceWave } from "./peaks.js";

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

/**
 * @param {CanvasRenderingContext2D} canvas @param {View} view @param {Scene} scene @param {Theme} theme
 * @param {{top: number, bottom: number}} seen of the lanes, CSS pixels
 */
export function drawLanes(canvas, view, scene, theme, { top, bottom }) {
  const { lanes } = scene.dialogue;
  lanes.forEach((lane, index) => {
    const y = index * LANE;
    if (y + LANE < top || y > bottom) return;
    canvas.globalAlpha = 0.045;
    canvas.fillStyle = theme.ink;
    roundRect(canvas, 0, y + 1, view.width, LANE - 2, ROUND);
    canvas.fill();
    const heard = scene.solo.size ? scene.solo.has(lane.id) : !lane.mute;
    const far = lane.clips.filter((clip) => endOf(clip) >= view.left && clip.start <= view.right);
    for (const clip of far.sort((one) => (one.id === scene.selected ? 1 : -1)))
      drawClip(canvas, view, scene, theme, clip, { y, number: index, gain: lane.gain, heard: heard && !clip.mute });
  });
  drawMarks(canvas, view, scene, theme, lanes.length * LANE);
}

/**
 * @param {CanvasRenderingContext2D} canvas @param {View} view @param {Scene} scene @param {Theme} theme
 * @param {Clip} clip @param {{y: number, number: number, gain: number, heard: boolean}} lane
 */
function drawClip(canvas, view, scene, theme, clip, { y, number, gain, heard }) {
  const colour = scene.colours[number];
  const chosen = clip.id === scene.selected;
  const x = view.x(clip.start);
  const width = Math.max(2, view.x(endOf(clip)) - x);
  const [left, right] = [Math.max(-8, x), Math.min(view.width + 8, x + width)];
  const [top, height] = [y + GAP, LANE - 2 * GAP];
  const shown = heard ? 1 : 0.35;
  roundRect(canvas, left, top, right - left, height, ROUND);
  canvas.globalAlpha = 1;
  canvas.fillStyle = theme.paper;
  canvas.fill();
  canvas.globalAlpha = shown * (chosen ? 0.3 : 0.17);
  canvas.fillStyle = css(colour);
  canvas.fill();
  drawWave(canvas, view, scene, clip, colour, { left, right, y, gain, shown });
  const failure = scene.failure(clip.file);
  roundRect(canvas, left + 0.5, top + 0.5, right - left - 1, height - 1, ROUND);
  canvas.globalAlpha = chosen ? 1 : shown * 0.7;
  canvas.strokeStyle = failure ? WARNING : chosen ? theme.ink : css(colour);
  canvas.lineWidth = chosen ? 1.5 : 1;
  canvas.setLineDash(failure || clip.mute ? [3, 3] : dashes(chosen ? 0 : number));
  canvas.stroke();
  canvas.setLineDash([]);
  if (right - left < 26) return;
  canvas.save();
  canvas.beginPath();
  canvas.rect(left + 4, top, right - left - 8, height);
  canvas.clip();
  canvas.globalAlpha = heard ? 0.85 : 0.5;
  canvas.fillStyle = theme.ink;
  canvas.font = `10px ${theme.font}`;
  canvas.textBaseline = "middle";
  canvas.fillText(title(clip), Math.max(left, 0) + 7, top + HEAD / 2 + 2);
  canvas.restore();
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

/**
 * @param {CanvasRenderingContext2D} canvas @param {View} view @param {Scene} scene @param {Clip} clip
 * @param {Colour} colour @param {{left: number, right: number, y: number, gain: number, shown: number}} place
 */
function drawWave(canvas, view, scene, clip, colour, { left, right, y, gain, shown }) {
  const outline = scene.outline(clip.file);
  const middle = y + (LANE + HEAD) / 2 - 1;
  canvas.fillStyle = css(colour);
  canvas.globalAlpha = shown * 0.95;
  if (!outline) {
    canvas.fillRect(left, Math.round(middle), right - left, 1);
    return;
  }
  const begin = Math.max(0, Math.ceil(left));
  const place = { x: begin, width: Math.floor(Math.min(view.width, right)) - begin, middle, half: (LANE - HEAD) / 2 - GAP - 2 };
  canvas.beginPath();
  traceWave(canvas, outline, place, clip.in + view.time(begin) - clip.start, 1 / view.scale, gain * clip.gain);
  canvas.fill();
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
