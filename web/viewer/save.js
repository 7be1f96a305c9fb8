// @ts-check
import { make } from "./dom.js";
import { css } from "./palette.js";
import { latentFrameOf, videoFramesOf } from "./atlas.js";
import { panesOf } from "./panes.js";
import { say, seconds, stepNumber } from "./words.js";

/** @typedef {import("./viewer.js").MaskViewer} MaskViewer */
/** @typedef {import("./run_store.js").RunStore} RunStore */
/** @typedef {import("./painter.js").View} View */
/** @typedef {import("./types.js").Scene} Scene */

const WIDTH = 960; // pixels; smaller videos are enlarged by whole numbers, or names could not be read
const LOOK = 460; // CSS pixels that a picture has in the node: names keep that proportion
const ROWS = 10; // of a contact sheet, at most
const COLUMNS = 7;
const CELL = 192;
// H.264 and AAC, which everything can play and cut, where the browser has them; else what it has.
const VIDEO_TYPES = ["video/mp4;codecs=avc1.640033", "video/webm;codecs=vp9", "video/webm", "video/mp4"];
const SOUND_TYPES = ["video/mp4;codecs=avc1.640033,mp4a.40.2", "video/webm;codecs=vp9,opus", "video/webm", "video/mp4"];
const GROUND = "rgb(28 28 30)";
const INK = "rgb(235 235 235)";
const FAINT = "rgb(150 150 155)";

/** @param {MaskViewer} viewer @param {RunStore} run @param {number} step */
export async function savePicture(viewer, run, step) {
  const picture = await gather(viewer, run, step);
  picture.draw(viewer.frame);
  const frame = videoFramesOf(viewer.frame)[0] + 1;
  await savePng(picture.canvas, `interact_masks_step_${stepNumber(step)}_frame_${frame}.png`);
}

/** Draws the frames as fast as they are to be seen, with what is to be heard, and records that. @type {typeof savePicture} */
export async function saveVideo(viewer, run, step) {
  const picture = await gather(viewer, run, step);
  const sound = await viewer.playback.record();
  const types = sound.stream ? SOUND_TYPES : VIDEO_TYPES;
  const type = types.find((known) => globalThis.MediaRecorder?.isTypeSupported(known));
  const { fps, grid } = run.scene;
  const [first, after] = [sound.from, sound.to].map((at) => Math.round(at * fps));
  const latent = (/** @type {number} */ frame) => Math.min(latentFrameOf(frame), grid[0] - 1);
  picture.draw(latent(first));
  if (!type || !picture.canvas.captureStream) {
    sound.end();
    throw new Error(say("noRecorder"));
  }
  const stream = new MediaStream([
    ...picture.canvas.captureStream(fps).getTracks(),
    ...(sound.stream?.getTracks() ?? []),
  ]);
  const recorder = new MediaRecorder(stream, { mimeType: type, videoBitsPerSecond: 8_000_000 });
  /** @type {Blob[]} */
  const parts = [];
  recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
  const stopped = new Promise((done) => recorder.addEventListener("stop", done));
  const pause = () => new Promise((done) => setTimeout(done, 1000 / fps));
  try {
    let started = false;
    recorder.addEventListener("start", () => (started = true));
    recorder.start();
    // Browsers begin with the first picture that they have encoded, and a busy one drops pictures: one alone may never begin.
    while (!started) {
      picture.draw(latent(first));
      await pause();
    }
    sound.start();
    const began = performance.now();
    const now = () => first + Math.floor(((performance.now() - began) / 1000) * fps);
    for (let frame = first; frame < after; frame = now()) {
      picture.draw(latent(frame));
      await pause();
    }
    recorder.stop();
    await stopped;
  } finally {
    sound.end();
    for (const track of stream.getTracks()) track.stop();
  }
  const ending = type.startsWith("video/mp4") ? "mp4" : "webm";
  download(new Blob(parts, { type }), `interact_masks_step_${stepNumber(step)}.${ending}`);
}

/** Steps down, frames across, with a line where masks begin to steer. @type {typeof savePicture} */
export async function saveSheet(viewer, run) {
  const { scene } = run;
  const rows = rowsOf(run);
  const columns = evenly(scene.grid[0], COLUMNS);
  const scale = CELL / Math.max(scene.width, scene.height);
  const cell = { width: Math.round(scene.width * scale), height: Math.round(scene.height * scale) };
  const sheet = { left: 96, top: 64, gap: 6, margin: 16 };
  const canvas = make("canvas", {
    width: sheet.left + columns.length * (cell.width + sheet.gap) + sheet.margin,
    height: sheet.top + rows.length * (cell.height + sheet.gap) + sheet.margin,
  });
  const context = contextOf(canvas);
  context.fillStyle = GROUND;
  context.fillRect(0, 0, canvas.width, canvas.height);
  drawLegend(context, viewer, scene, sheet.margin, canvas.width);
  columns.forEach((frame, at) => {
    const middle = sheet.left + at * (cell.width + sheet.gap) + cell.width / 2;
    write(
      context,
      viewer,
      seconds(videoFramesOf(frame)[0], scene.fps),
      middle,
      sheet.top - 12,
      FAINT,
      "center",
    );
  });
  for (const [row, step] of rows.entries()) {
    const y = sheet.top + row * (cell.height + sheet.gap);
    const middle = y + cell.height / 2;
    write(context, viewer, say("readStep", { step: stepNumber(step) }), sheet.margin, middle - 9, INK);
    write(
      context,
      viewer,
      say("noise", { sigma: (run.steps.get(step)?.sigma ?? 0).toFixed(2) }),
      sheet.margin,
      middle + 9,
      FAINT,
    );
    if (step === rows.find((other) => run.boundary >= 0 && other >= run.boundary) && row > 0) {
      context.fillStyle = INK;
      context.fillRect(sheet.margin, y - sheet.gap / 2 - 0.5, canvas.width - 2 * sheet.margin, 1);
    }
    for (const [column, frame] of columns.entries()) {
      const view = { ...(await viewOf(viewer, run, step, step, frame)), names: false };
      const x = sheet.left + column * (cell.width + sheet.gap);
      viewer.painter.paint(context, { x, y, ...cell }, view, 1);
    }
  }
  await savePng(canvas, "interact_masks_sheet.png");
}

/** What the viewer shows of a step, ready to be drawn frame by frame on a canvas of its own. */
async function gather(
  /** @type {MaskViewer} */ viewer,
  /** @type {RunStore} */ run,
  /** @type {number} */ step,
) {
  const { width, height } = run.scene;
  const factor = Math.min(Math.ceil(WIDTH / width), Math.max(1, Math.floor(4096 / Math.max(width, height))));
  const size = { width: width * factor, height: height * factor };
  const panes = panesOf(viewer, run, step);
  const views = await Promise.all(
    panes.map(({ source, under, caption }) => viewOf(viewer, run, source, under, 0, caption)),
  );
  const gap = Math.round(size.width / 120);
  const canvas = make("canvas", { width: panes.length * (size.width + gap) - gap, height: size.height });
  const context = contextOf(canvas);
  const draw = (/** @type {number} */ frame) => {
    context.fillStyle = GROUND;
    context.fillRect(0, 0, canvas.width, canvas.height);
    views.forEach((view, at) => {
      const box = { x: at * (size.width + gap), y: 0, ...size };
      viewer.painter.paint(context, box, { ...view, frame }, size.width / LOOK);
    });
  };
  return { canvas, draw };
}

/**
 * @param {MaskViewer} viewer @param {RunStore} run @param {import("./run_store.js").Source | undefined} source of the masks
 * @param {number} under whose frames @param {number} frame @param {string} [caption]
 * @returns {Promise<View>}
 */
async function viewOf(viewer, run, source, under, frame, caption) {
  const masks = source === undefined ? undefined : await run.masks(source);
  const name = viewer.preferences.backdrop ? run.backdropName(under, viewer.preferences.under) : null;
  const backdrop = await run.backdrop(name);
  return { ...viewer.look(), masks, backdrop, frame, caption };
}

/** Up to ROWS steps, spread evenly, the first that masks steered among them. @param {RunStore} run */
function rowsOf(run) {
  const rows = evenly(run.order.length, ROWS).map((place) => run.order[place]);
  const begins = run.order.find((step) => run.boundary >= 0 && step >= run.boundary);
  if (begins === undefined || rows.includes(begins) || rows.length < 3) return rows;
  const inner = rows.slice(1, -1);
  const nearest = inner.reduce((one, other) =>
    Math.abs(other - begins) < Math.abs(one - begins) ? other : one,
  );
  rows[rows.indexOf(nearest)] = begins;
  return rows.sort((one, other) => one - other);
}

/** @param {number} count @param {number} most */
function evenly(count, most) {
  if (count <= most) return Array.from({ length: count }, (_, at) => at);
  return Array.from({ length: most }, (_, at) => Math.round((at * (count - 1)) / (most - 1)));
}

/**
 * @param {CanvasRenderingContext2D} context @param {MaskViewer} viewer @param {Scene} scene
 * @param {number} left @param {number} width
 */
function drawLegend(context, viewer, scene, left, width) {
  let x = left;
  for (const character of viewer.visible) {
    const name = scene.names[character];
    if (x + 30 + name.length * 8 > width) break; // a crowd is named on the pictures
    context.fillStyle = css(viewer.colours[character]);
    context.beginPath();
    context.roundRect(x, 16, 12, 12, 3);
    context.fill();
    write(context, viewer, name, x + 18, 22, INK);
    x += 18 + context.measureText(name).width + 18;
  }
}

/**
 * @param {CanvasRenderingContext2D} context @param {MaskViewer} viewer @param {string} words
 * @param {number} x @param {number} y @param {string} colour @param {CanvasTextAlign} [align]
 */
function write(context, viewer, words, x, y, colour, align = "left") {
  context.font = `13px ${viewer.painter.font}`;
  context.textAlign = align;
  context.textBaseline = "middle";
  context.fillStyle = colour;
  context.fillText(words, x, y);
}

/** @param {HTMLCanvasElement} canvas */
function contextOf(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error(say("noMemory"));
  return context;
}

/** @param {HTMLCanvasElement} canvas @param {string} name */
async function savePng(canvas, name) {
  /** @type {Blob | null} */
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  if (blob) download(blob, name);
}

/** @param {Blob} blob @param {string} name */
function download(blob, name) {
  const address = URL.createObjectURL(blob);
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
