// @ts-check
/** Puts on the screen what an editor holds: the canvases, what stands around them, and the clips for screen readers. */
import { characterColours } from "../viewer/palette.js";
import { make } from "../viewer/dom.js";
import { overlaps, pauses } from "./arrange.js";
import { endOf, inOrder, lastEnd } from "./model.js";
import { LANE, RULER, drawLanes, drawRuler } from "./painter.js";
import { WaveSheet } from "./peaks.js";
import { chosen } from "./pointer.js";

/** @typedef {import("./editor.js").DialogueEditor} DialogueEditor */

const EMPTY = 10; // seconds that are seen while there is nothing

/** What a screen was drawn from last, so that what is the same is not drawn again. */
export class Screen {
  sheet = new WaveSheet();
  drawn = "";
  laid = "";
  /** @type {import("./model.js").Dialogue | undefined} */
  dialogue;
  end = 0;
  /** @type {{overlaps: import("./arrange.js").Span[], pauses: import("./arrange.js").Span[]}} */
  spans = { overlaps: [], pauses: [] };
  /** Counts the dialogues that were drawn. */
  version = 0;
}

/** @param {DialogueEditor} editor */
export function drawEditor(editor) {
  const { view, dialogue, fps, end, tracks, screen } = editor;
  const height = dialogue.lanes.length * LANE;
  if (screen.dialogue !== dialogue || screen.end !== end) {
    screen.spans = { overlaps: overlaps(dialogue), pauses: pauses(dialogue, end) };
    [screen.dialogue, screen.end, screen.version] = [dialogue, end, screen.version + 1];
    editor.surface.style.height = `${height}px`;
  }
  view.resize(Math.max(end, lastEnd(dialogue) || EMPTY), editor.ruler.clientWidth);
  const colours = editor.host.colours?.(dialogue.lanes.length) ?? characterColours(dialogue.lanes.length);
  const { solo, selected, looping: loop, snap, target, sounds } = editor;
  const { color, backgroundColor, fontFamily } = getComputedStyle(editor.element);
  const theme = { ink: color, paper: backgroundColor, font: fontFamily };
  const seen = { top: tracks.scrollTop, bottom: tracks.scrollTop + tracks.clientHeight };
  const shown = JSON.stringify([screen.version, [...solo], view.left, view.scale, view.width, selected, loop, snap, target, sounds.version, theme, seen, fps, colours, devicePixelRatio]);
  if (shown !== screen.drawn) {
    screen.drawn = shown;
    const known = { outline: sounds.outline.bind(sounds), failure: sounds.failure.bind(sounds) };
    const scene = { dialogue, solo, selected, fps, end, loop, colours, snap, target, ...screen.spans, ...known };
    const ruler = begun(editor.rulerCanvas, view.width, RULER);
    if (ruler) drawRuler(ruler, view, scene, theme);
    const lanes = begun(editor.canvas, view.width, height);
    if (lanes) drawLanes(lanes, view, scene, theme, screen.sheet, seen);
  }
  const laid = JSON.stringify([dialogue.lanes.map(({ id, name, gain, mute }) => [id, name, gain, mute]), [...solo], editor.recordingLane, colours]);
  if (laid !== screen.laid) editor.gutter.update(dialogue.lanes, { solo, recording: editor.recordingLane, colours });
  screen.laid = laid;
  place(editor);
  tell(editor, screen.spans.overlaps);
}

/** The parts that are no canvas. @param {DialogueEditor} editor */
function place(editor) {
  const { view, dialogue, playhead, history, playing } = editor;
  const x = view.x(playhead);
  editor.head.style.transform = `translateX(${x}px)`;
  editor.head.style.height = `${Math.min(editor.timeline.clientHeight, RULER + dialogue.lanes.length * LANE)}px`;
  editor.head.hidden = x < -1 || x > view.width;
  editor.time.textContent = `${playhead.toFixed(2)} s  ·  ${Math.floor(playhead * editor.fps + 1e-6) + 1}`;
  editor.wide.style.width = `${view.extent * view.scale}px`;
  const left = view.left * view.scale;
  if (Math.abs(editor.scroller.scrollLeft - left) >= 1) editor.scroller.scrollLeft = left;
  editor.row.update(chosen(editor)?.clip, !dialogue.lanes.some((lane) => lane.clips.length));
  const looping = editor.looping !== null;
  editor.bar.update({ playing, looping, canUndo: history.canUndo, canRedo: history.canRedo });
}

/** @param {DialogueEditor} editor @param {import("./arrange.js").Span[]} atOnce */
function tell(editor, atOnce) {
  const [text, alert] = statusOf(editor, atOnce);
  if (editor.status.textContent !== text) editor.status.textContent = text;
  editor.status.dataset.tone = editor.recorder.recording ? "live" : alert ? "alert" : "";
}

/** @param {DialogueEditor} editor @param {import("./arrange.js").Span[]} atOnce @returns {[string, boolean]} */
function statusOf({ words, host, recorder, remark, broken, sounds, dialogue, end, frames }, atOnce) {
  if (recorder.recording) return [words.say("recording", { seconds: recorder.seconds.toFixed(1) }), false];
  if (broken) return [words.say("broken"), true];
  if (remark.text) return [remark.text, remark.alert];
  const used = new Set(dialogue.lanes.flatMap((lane) => lane.clips.map((clip) => clip.file)));
  const file = sounds.failed.find((name) => used.has(name));
  if (file) return [words.say("missing", { file, reason: sounds.failure(file) ?? "" }), true];
  if (!used.size) return [words.say("title"), false];
  const values = { lanes: dialogue.lanes.length, seconds: end.toFixed(2), frames };
  const seconds = atOnce.reduce((sum, [from, to]) => sum + to - from, 0);
  const more = [
    seconds > 0.005 ? words.say("atOnce", { seconds: seconds.toFixed(2) }) : "",
    host.film().guessed ? words.say("wired") : "",
  ];
  return [words.say("status", values) + more.join(""), false];
}

/** The clips for those who do not see the canvas. @param {DialogueEditor} editor @param {boolean} anew whether they have changed */
export function listClips({ words, dialogue, selected, options, surface }, anew) {
  if (anew) {
    const made = inOrder(dialogue).map(({ lane, clip }) => {
      const [start, end] = [clip.start, endOf(clip)].map((time) => time.toFixed(2));
      const text = words.say("clip", { lane: lane.name, name: clip.label || clip.file, start, end });
      const muted = clip.mute || lane.mute ? words.say("muted") : "";
      return make("div", { role: "option", id: idOf(clip.id), textContent: text + muted });
    });
    options.replaceChildren(...made);
  }
  for (const option of options.children) option.setAttribute("aria-selected", `${selected !== null && option.id === idOf(selected)}`);
  if (selected === null) surface.removeAttribute("aria-activedescendant");
  else surface.setAttribute("aria-activedescendant", idOf(selected));
}

/** @param {number} clip */
const idOf = (clip) => `interact-clip-${clip}`;

/** A canvas, cleared and in CSS pixels. @param {HTMLCanvasElement} element @param {number} width @param {number} height */
function begun(element, width, height) {
  const canvas = element.getContext("2d");
  if (!canvas || width < 2 || !height) return null;
  const unit = Math.min(2, window.devicePixelRatio || 1);
  const [wide, high] = [Math.round(width * unit), Math.round(height * unit)];
  if (element.width !== wide || element.height !== high) [element.width, element.height] = [wide, high];
  canvas.setTransform(unit, 0, 0, unit, 0, 0);
  canvas.clearRect(0, 0, width, height);
  return canvas;
}
