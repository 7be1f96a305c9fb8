// @ts-check
/** The mouse on the lanes and the ruler: drag, trim, choose, loop, scroll, zoom, drop. */
import { endOf, find, moveClip, secondsOf, trimClip } from "./model.js";
import { LANE } from "./painter.js";
import { anchors, snapped, snappedClip } from "./snapping.js";

/** @typedef {import("./editor.js").DialogueEditor} DialogueEditor */
/** @typedef {{x: number, y: number, time: number, lane: number}} Place CSS pixels of the lanes, seconds */
/** @typedef {(place: Place, event: PointerEvent) => void} Drag */

const EDGE = 7; // CSS pixels at an end of a clip by which it is trimmed
const STICK = 8; // CSS pixels within which a drag snaps
const STILL = 3; // CSS pixels that a click may move

/** On what is made anew with another language. @param {DialogueEditor} editor */
export function listen(editor) {
  dragging(editor, editor.surface, (place, event) => grab(editor, place, event));
  dragging(editor, editor.ruler, (place, event) => (event.shiftKey ? chooseLoop(editor, place) : scrub(editor, place)));
  editor.surface.addEventListener("pointermove", (event) => {
    if (event.buttons) return;
    const hit = clipAt(editor, placeOf(editor, event));
    editor.surface.style.cursor = hit ? (hit.edge ? "ew-resize" : "grab") : "default";
  });
  editor.timeline.addEventListener("wheel", (event) => roll(editor, event), { passive: false });
}

/**
 * Where an event is, however the canvas around is zoomed.
 * @param {DialogueEditor} editor @param {MouseEvent} event @returns {Place}
 */
function placeOf(editor, event) {
  const box = editor.surface.getBoundingClientRect();
  const x = ((event.clientX - box.left) / Math.max(1, box.width)) * editor.surface.clientWidth;
  const y = ((event.clientY - box.top) / Math.max(1, box.height)) * editor.surface.clientHeight;
  const lane = Math.max(0, Math.min(editor.dialogue.lanes.length - 1, Math.floor(y / LANE)));
  return { x, y, time: Math.max(0, editor.view.time(x)), lane };
}

/**
 * @param {DialogueEditor} editor @param {HTMLElement} element
 * @param {(place: Place, event: PointerEvent) => Drag} begin gives what the moves do
 */
function dragging(editor, element, begin) {
  /** @type {Drag | undefined} */
  let drag;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.stopPropagation();
    element.setPointerCapture(event.pointerId);
    editor.surface.focus({ preventScroll: true });
    editor.view.held = true;
    drag = begin(placeOf(editor, event), event);
  });
  element.addEventListener("pointermove", (event) => drag?.(placeOf(editor, event), event));
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
    element.addEventListener(end, () => {
      if (drag) editor.settle();
      drag = undefined;
    });
}

/** @param {DialogueEditor} editor @param {Place} place */
function clipAt(editor, { x, lane, time }) {
  const { view } = editor;
  const slack = EDGE / 2 / view.scale;
  const over = editor.dialogue.lanes[lane]?.clips.filter((clip) => time >= clip.start - slack && time <= endOf(clip) + slack) ?? [];
  const clip = over.find(({ id }) => id === editor.selected) ?? over.at(-1);
  if (!clip) return undefined;
  const [left, right] = [x - view.x(clip.start), view.x(endOf(clip)) - x];
  const reach = Math.min(EDGE, (right + left) / 4);
  const edge = left <= reach ? /** @type {const} */ ("start") : right <= reach ? /** @type {const} */ ("end") : undefined;
  return { clip, edge };
}

/** @param {DialogueEditor} editor @param {Place} from @param {PointerEvent} event @returns {Drag} */
function grab(editor, from, event) {
  const hit = clipAt(editor, from);
  editor.select(hit?.clip.id ?? null);
  if (!hit) return scrub(editor, from);
  if (hit.edge) return trim(editor, hit.clip, hit.edge);
  const { clip } = hit;
  const base = editor.dialogue;
  let still = true;
  return (place, moved) => {
    if (still && Math.hypot(moved.clientX - event.clientX, moved.clientY - event.clientY) < STILL) return;
    still = false;
    const raw = Math.max(0, clip.start + place.time - from.time);
    const free = { time: raw, anchor: undefined };
    const times = anchors(base, clip.id, [editor.playhead]);
    const { time, anchor } = moved.altKey ? free : snappedClip(raw, secondsOf(clip), times, STICK / editor.view.scale, editor.fps);
    editor.snap = anchor;
    editor.edit(moveClip(base, clip.id, time, place.lane), "drag");
  };
}

/** @param {DialogueEditor} editor @param {import("./model.js").Clip} clip @param {"start" | "end"} edge @returns {Drag} */
function trim(editor, clip, edge) {
  const base = editor.dialogue;
  const times = anchors(base, clip.id, [editor.playhead]);
  return (place, moved) => {
    const free = { time: place.time, anchor: undefined };
    const { time, anchor } = moved.altKey ? free : snapped(place.time, times, STICK / editor.view.scale, editor.fps);
    editor.snap = anchor;
    editor.edit(trimClip(base, clip.id, edge, time, editor.limits(clip)), "drag");
  };
}

/** @param {DialogueEditor} editor @param {Place} from @returns {Drag} */
function scrub(editor, from) {
  const go = (/** @type {Place} */ { time }) => editor.seek(Math.round(time * editor.fps) / editor.fps);
  go(from);
  return go;
}

/** @param {DialogueEditor} editor @param {Place} from @returns {Drag} */
function chooseLoop(editor, from) {
  return (place) => {
    const [one, other] = [from.time, place.time].map((time) => Math.round(time * editor.fps) / editor.fps);
    if (one !== other) editor.loop([Math.min(one, other), Math.max(one, other)]);
  };
}

/** @param {DialogueEditor} editor @param {WheelEvent} event */
function roll(editor, event) {
  const { view, tracks } = editor;
  event.stopPropagation(); // else the graph zooms
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    view.zoom(Math.exp(-event.deltaY / 300), Math.max(0, placeOf(editor, event).x));
    return editor.requestDraw();
  }
  const tall = tracks.scrollHeight > tracks.clientHeight + 1;
  const along = event.deltaX || (event.shiftKey || !tall ? event.deltaY : 0);
  if (!along) return undefined; // the lanes scroll by themselves
  event.preventDefault();
  view.scroll(view.left + along / view.scale);
  return editor.requestDraw();
}

/** @param {DialogueEditor} editor */
export function listenToDrops(editor) {
  const { element } = editor;
  element.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation(); // else ComfyUI makes a node of the file
    event.dataTransfer.dropEffect = "copy";
    const { lane, time } = placeOf(editor, event);
    editor.target = { lane, time: Math.round(time * editor.fps) / editor.fps };
    editor.requestDraw();
  });
  element.addEventListener("dragleave", () => {
    editor.target = undefined;
    editor.requestDraw();
  });
  element.addEventListener("drop", (event) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    event.stopPropagation();
    const { lane, time } = placeOf(editor, event);
    const hit = clipAt(editor, placeOf(editor, event));
    if (hit) editor.select(hit.clip.id);
    editor.target = undefined;
    void editor.takeFiles(files, lane, Math.round(time * editor.fps) / editor.fps);
  });
}

/** The clip that is selected, with its lane. @param {DialogueEditor} editor */
export const chosen = (editor) => (editor.selected === null ? undefined : find(editor.dialogue, editor.selected));
