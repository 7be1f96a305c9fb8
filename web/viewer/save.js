// @ts-check
import { arrange, comparison, merged } from "./arrange.js";
import { latentFrameOf, videoFramesOf } from "./atlas.js";
import { make } from "./dom.js";
import { Lens } from "./lens.js";
import { panesOf } from "./panes.js";
import { record } from "./recording.js";
import { FAINT, GROUND, INK, STAMP, drawNames, drawStamp, stampOf, write } from "./stamp.js";
import { say, seconds, stepNumber } from "./words.js";

/** @typedef {import("./viewer.js").MaskViewer} MaskViewer */
/** @typedef {import("./run_store.js").RunStore} RunStore */
/** @typedef {import("./painter.js").View} View */
/** @typedef {import("./panes.js").Pane} Pane */

const WIDTH = 960; // pixels; smaller videos are enlarged by whole numbers, or names could not be read
const LOOK = 460; // CSS pixels that a picture has in the node: names keep that proportion
const ROWS = 10; // of a contact sheet, at most
const COLUMNS = 7;
const CELL = 192;

/** As it is seen, also of what is enlarged. @param {MaskViewer} viewer @param {RunStore} run @param {number} step */
export async function savePicture(viewer, run, step) {
  const picture = await gather(viewer, run, step, viewer.stage.lens);
  await picture.draw(viewer.frame);
  const frame = videoFramesOf(viewer.frame)[0] + 1;
  await savePng(picture.canvas, `${nameOf(run, step)}_frame_${frame}.png`);
}

/** All frames of a step, with what is to be heard. @type {typeof savePicture} */
export async function saveVideo(viewer, run, step) {
  const { canvas, draw } = await gather(viewer, run, step);
  const { fps, grid } = run.scene;
  const { blob, ending } = await record({
    canvas,
    fps,
    draw: (frame) => draw(Math.min(latentFrameOf(frame), grid[0] - 1)),
    hear: () => viewer.playback.record(),
  });
  download(blob, `${nameOf(run, step)}.${ending}`);
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
  const right = canvas.width - sheet.margin;
  const seed = viewer.preferences.stamped && scene.seed ? say("seed", { seed: scene.seed }) : "";
  write(context, viewer, seed, right, 22, FAINT, { align: "right" });
  drawNames(context, viewer, {
    x: sheet.margin,
    y: 22,
    right: right - context.measureText(seed).width - sheet.margin,
    size: 13,
  });
  columns.forEach((frame, at) => {
    const middle = sheet.left + at * (cell.width + sheet.gap) + cell.width / 2;
    const time = seconds(videoFramesOf(frame)[0], scene.fps);
    write(context, viewer, time, middle, sheet.top - 12, FAINT, { align: "center" });
  });
  for (const [row, step] of rows.entries()) {
    const y = sheet.top + row * (cell.height + sheet.gap);
    const middle = y + cell.height / 2;
    const sigma = (run.steps.get(step)?.sigma ?? 0).toFixed(2);
    write(context, viewer, say("readStep", { step: stepNumber(step) }), sheet.margin, middle - 9, INK);
    write(context, viewer, say("noise", { sigma }), sheet.margin, middle + 9, FAINT);
    if (step === rows.find((other) => run.boundary >= 0 && other >= run.boundary) && row > 0) {
      context.fillStyle = INK;
      context.fillRect(sheet.margin, y - sheet.gap / 2 - 0.5, canvas.width - 2 * sheet.margin, 1);
    }
    const view = { ...(await viewOf(viewer, { run, source: step, under: step })), names: false };
    for (const [column, frame] of columns.entries()) {
      const x = sheet.left + column * (cell.width + sheet.gap);
      viewer.painter.paint(context, { x, y, ...cell }, { ...view, frame }, 1);
    }
  }
  const seeded = viewer.preferences.stamped && scene.seed ? `_seed_${scene.seed}` : "";
  await savePng(canvas, `interact_masks_sheet${seeded}.png`);
}

/**
 * What the viewer shows of a step, ready to be drawn frame by frame on a canvas of its own.
 * @param {MaskViewer} viewer @param {RunStore} run @param {number} step @param {Lens} [lens] that it is seen through
 */
async function gather(viewer, run, step, lens = new Lens()) {
  const { width, height } = run.scene;
  const factor = Math.min(Math.ceil(WIDTH / width), Math.max(1, Math.floor(4096 / Math.max(width, height))));
  const size = { width: width * factor, height: height * factor };
  const unit = size.width / LOOK;
  const panes = panesOf(viewer, run, step);
  const views = await Promise.all(panes.map((pane) => viewOf(viewer, pane)));
  const compare = comparison(views, viewer.preferences.compare);
  const gap = Math.round(size.width / 120);
  const rooms = (compare === "beside" ? views : [0]).map((_, at) => ({ x: at * (size.width + gap), y: 0, ...size }));
  const stamp = viewer.preferences.stamped ? Math.round(STAMP * unit) : 0;
  const canvas = make("canvas", {
    width: rooms.length * (size.width + gap) - gap,
    height: 2 * Math.ceil((size.height + stamp) / 2), // codecs want even numbers
  });
  const context = contextOf(canvas);
  const draw = async (/** @type {number} */ frame) => {
    const drawn = await Promise.all(views.map((view, at) => withFullFrame(viewer, panes[at], view, frame)));
    context.fillStyle = GROUND;
    context.fillRect(0, 0, canvas.width, canvas.height);
    for (const { view, box, seen } of arrange(merged(drawn, compare), rooms, viewer.stage.wipe.place, lens))
      viewer.painter.paint(context, box, view, unit, seen);
    if (!stamp) return;
    const { backdrop } = drawn[drawn.length - 1];
    const place = { x: 0, y: size.height, width: canvas.width, height: canvas.height - size.height };
    const words = stampOf(run, step, frame, backdrop && !backdrop.single ? say("previewOf", { size: sizeOf(backdrop) }) : "");
    drawStamp(context, place, unit, viewer, words);
  };
  return { canvas, draw };
}

/** @param {import("./pictures.js").Backdrop} backdrop */
const sizeOf = ({ width, height }) => `${Math.round(width)} x ${Math.round(height)}`;

/** @param {MaskViewer} viewer @param {Pane} pane @returns {Promise<View>} its first frame */
async function viewOf(viewer, { run, source, under, caption }) {
  const masks = source === undefined ? undefined : await run.masks(source);
  const name = viewer.preferences.backdrop ? run.backdropName(under, viewer.preferences.under) : null;
  const backdrop = await run.backdrop(name);
  return { ...viewer.look(run), masks, backdrop, frame: 0, caption };
}

/** A view of a frame, over its picture in full size where there is one. @param {MaskViewer} viewer @param {Pane} pane @param {View} view @param {number} frame @returns {Promise<View>} */
async function withFullFrame({ preferences }, { run, under }, view, frame) {
  const there = Math.min(frame, run.scene.grid[0] - 1);
  const name = preferences.backdrop ? run.fullName(under, preferences.under, there) : null;
  return { ...view, frame: there, backdrop: (await run.fullFrame(name)) ?? view.backdrop };
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

/** @param {RunStore} run @param {number} step */
function nameOf({ scene: { seed } }, step) {
  return `interact_masks_step_${stepNumber(step)}${seed ? `_seed_${seed}` : ""}`;
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
