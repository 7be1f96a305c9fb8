// @ts-check
import { factor } from "./bar.js";
import { MOST_GAIN, changeClip, changeLane, endOf, inOrder, moveClip, moveLane, removeClip, splitClip, trimClip } from "./model.js";
import { chosen } from "./pointer.js";

/** @typedef {import("./editor.js").DialogueEditor} DialogueEditor */

/** What the keys do while the timeline has the focus; all of them are in words.js. @param {DialogueEditor} editor @param {KeyboardEvent} event */
export function keyAction(editor, event) {
  const target = event.target instanceof HTMLElement ? event.target : null;
  const typing = target instanceof HTMLInputElement;
  if (typing && event.key === "Enter") target.blur();
  if (typing || (event.key === " " && target?.tagName === "BUTTON")) return event.stopPropagation(); // it has keys of its own
  const action = event.ctrlKey || event.metaKey ? history(editor, event) : (clipKeys(editor, event) ?? otherKeys(editor, event));
  if (!action) return undefined;
  action();
  hideFromGraph(event);
  event.preventDefault();
  return event.stopPropagation(); // else the graph scrolls, or a node is deleted
}

/**
 * ComfyUI listens at the window first and reads the event in the next animation frame, whatever became of it by then:
 * without a key it finds nothing to undo in the graph. @param {KeyboardEvent} event
 */
function hideFromGraph(event) {
  Object.defineProperty(event, "key", { value: "Unidentified" });
}

/** @param {DialogueEditor} editor @param {KeyboardEvent} event */
function history(editor, event) {
  const key = event.key.toLowerCase();
  if (key === "z") return () => (event.shiftKey ? editor.redo() : editor.undo());
  return key === "y" ? () => editor.redo() : undefined;
}

/** @param {DialogueEditor} editor @param {KeyboardEvent} event @returns {(() => void) | undefined} */
function clipKeys(editor, event) {
  const found = chosen(editor);
  if (!found) return undefined;
  const { clip, lane, index } = found;
  const { dialogue, fps, playhead } = editor;
  const frames = event.shiftKey ? 10 : 1;
  const shift = (/** @type {number} */ by) => () =>
    editor.edit(moveClip(dialogue, clip.id, (Math.round(clip.start * fps) + by) / fps, index), "nudge");
  const gain = (/** @type {number} */ by) => () => {
    const level = 20 * Math.log10(Math.max(1e-3, clip.gain)) + by;
    editor.edit(changeClip(dialogue, clip.id, { gain: Math.min(MOST_GAIN, factor(Math.round(level * 2) / 2)) }), "gain");
  };
  const trim = (/** @type {"start" | "end"} */ edge) => () =>
    editor.edit(trimClip(dialogue, clip.id, edge, playhead, editor.limits(clip)));
  if (event.altKey) {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (by && event.shiftKey) return () => editor.edit(moveLane(dialogue, index, index + by));
    return by && (() => editor.edit(moveClip(dialogue, clip.id, clip.start, index + by)));
  }
  switch (event.key) {
    case "ArrowLeft":
      return shift(-frames);
    case "ArrowRight":
      return shift(frames);
    case "PageUp":
      return gain(1);
    case "PageDown":
      return gain(-1);
    case "[":
      return trim("start");
    case "]":
      return trim("end");
    case "s":
      return () => editor.edit(splitClip(dialogue, clip.id, playhead));
    case "m":
      return () => editor.edit(changeClip(dialogue, clip.id, { mute: !clip.mute }));
    case "M":
      return () => editor.edit(changeLane(dialogue, index, { mute: !lane.mute }));
    case "o":
      return () => editor.toggleSolo(index);
    case "Delete":
    case "Backspace":
      return () => {
        editor.edit(removeClip(dialogue, clip.id));
        editor.select(null);
      };
    default:
      return undefined;
  }
}

/** @param {DialogueEditor} editor @param {KeyboardEvent} event @returns {(() => void) | undefined} */
function otherKeys(editor, event) {
  const { fps, playhead, view } = editor;
  const step = (/** @type {number} */ by) => () => editor.seek((Math.round(playhead * fps) + by) / fps);
  const frames = event.shiftKey ? 10 : 1;
  switch (event.key) {
    case " ":
      return () => editor.play(!editor.playing);
    case "ArrowLeft":
      return step(-frames);
    case "ArrowRight":
      return step(frames);
    case "ArrowUp":
      return () => chooseNext(editor, -1);
    case "ArrowDown":
      return () => chooseNext(editor, 1);
    case "Home":
      return () => editor.seek(0);
    case "End":
      return () => editor.seek(editor.end);
    case "l":
      return () => editor.loop(editor.looping ? null : editor.loopOf());
    case "+":
    case "=":
      return () => editor.zoom(1.5, view.x(playhead));
    case "-":
      return () => editor.zoom(1 / 1.5, view.x(playhead));
    case "0":
      return () => editor.fit();
    case "Escape":
      return editor.bar.isOpen ? () => editor.bar.leave() : editor.selected === null ? undefined : () => editor.select(null);
    default:
      return undefined;
  }
}

/** @param {DialogueEditor} editor @param {number} by */
function chooseNext(editor, by) {
  const all = inOrder(editor.dialogue);
  if (!all.length) return;
  const at = all.findIndex(({ clip }) => clip.id === editor.selected);
  const { clip } = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + by))];
  editor.select(clip.id);
  editor.view.reveal(clip.start);
  if (endOf(clip) < editor.view.left) editor.view.scroll(clip.start);
}
