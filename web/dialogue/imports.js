// @ts-check
/** Files that come in: sounds become clips, cues say which part of a sound is whose. */
import { bySpeaker, readCues } from "./cues.js";
import { addClips, addLane, changeLane, makeClip, MOST_LANES } from "./model.js";
import { chosen } from "./pointer.js";
import { decoded } from "./sounds.js";

/** @typedef {import("./model.js").Dialogue} Dialogue */
/** @typedef {import("./editor.js").DialogueEditor} DialogueEditor */
/** @typedef {{file: string, seconds: number, name: string}} Arrived name: as it was called where it came from */

const CUES = /\.(srt|vtt|rttm|txt|tsv|lab)$/i;

/**
 * @param {DialogueEditor} editor @param {File[]} files @param {number} lane @param {number} time seconds of the film
 */
export async function takeFiles(editor, files, lane, time) {
  const cues = files.filter(({ name }) => CUES.test(name));
  const arrived = [];
  for (const file of files) if (!cues.includes(file)) arrived.push(await takeSound(editor, file));
  const sounds = arrived.filter((sound) => sound !== undefined);
  if (!cues.length) return placeClips(editor, sounds, lane, time);
  const text = await cues[0].text();
  const [sound] = sounds;
  if (sound) return placeCues(editor, sound, text, cues[0].name, time);
  const known = recordingOfCues(editor);
  if (!known) return editor.say("cuesAlone");
  return placeCues(editor, { ...known, name: known.file }, text, cues[0].name, known.start);
}

/** Decoded before it is uploaded, so that nothing is left in the input folder that cannot be used. @param {DialogueEditor} editor @param {File} file */
async function takeSound(editor, file) {
  let buffer;
  try {
    buffer = await decoded(await file.arrayBuffer());
  } catch {
    editor.say("unreadable", { file: file.name });
    return undefined;
  }
  return upload(editor, file, buffer);
}

/** @param {DialogueEditor} editor @param {File} file @param {AudioBuffer} buffer @returns {Promise<Arrived | undefined>} */
export async function upload(editor, file, buffer) {
  try {
    const kept = await editor.host.upload(file);
    editor.sounds.take(kept, buffer);
    return { file: kept, seconds: buffer.duration, name: file.name };
  } catch (error) {
    editor.say("uploadFailed", { file: file.name, reason: error instanceof Error ? error.message : String(error) });
    return undefined;
  }
}

/** One behind the other. @param {DialogueEditor} editor @param {Arrived[]} sounds @param {number} lane @param {number} time */
export function placeClips(editor, sounds, lane, time) {
  if (!sounds.length) return;
  let start = time;
  const clips = sounds.map(({ file, seconds }) => {
    const clip = makeClip({ file, out: seconds, start });
    start = Math.ceil((start + seconds) * editor.fps - 1e-6) / editor.fps;
    return clip;
  });
  editor.edit(addClips(editor.dialogue, lane, ...clips));
  editor.select(clips[0].id);
}

/**
 * @param {DialogueEditor} editor @param {Arrived} sound @param {string} text of the cues @param {string} name of their file
 * @param {number} start seconds of the film at which the recording begins
 */
function placeCues(editor, sound, text, name, start) {
  const { cues, skipped } = readCues(text);
  if (!cues.length) return editor.say("cuesNone", { file: name });
  const made = cuesToLanes(editor.dialogue, sound, cues, start, (number) => editor.words.say("character", { number }));
  editor.edit(made.dialogue);
  editor.select(null);
  const left = skipped + made.left;
  const read = editor.words.say("cuesRead", { clips: made.clips, lanes: made.lanes });
  return editor.tell(read + (left ? editor.words.say("cuesSkipped", { count: left }) : ""));
}

/**
 * A recording on a lane for each speaker, its clips where they are in the recording. Clips that it had before go.
 * Speakers take the lane of their name, then an empty one, then a new one.
 * @param {Dialogue} dialogue @param {{file: string, seconds: number}} sound
 * @param {import("./cues.js").Cue[]} cues @param {number} start @param {(number: number) => string} nameOf
 * @returns {{dialogue: Dialogue, clips: number, lanes: number, left: number}} left: cues that found no place
 */
export function cuesToLanes(dialogue, { file, seconds }, cues, start, nameOf) {
  let made = { lanes: dialogue.lanes.map((lane) => ({ ...lane, clips: lane.clips.filter((clip) => clip.file !== file) })) };
  let [clips, lanes, left] = [0, 0, 0];
  const taken = new Set();
  for (const [speaker, own] of bySpeaker(cues)) {
    const inside = own.filter((cue) => cue.start < seconds - 0.01);
    left += own.length - inside.length;
    if (!inside.length) continue;
    let index = made.lanes.findIndex((lane) => speaker && lane.name.toLowerCase() === speaker.toLowerCase());
    if (index < 0) index = made.lanes.findIndex((lane) => !lane.clips.length && !taken.has(lane.id) && lane.name.match(/^(Character|角色) \d+$/));
    if (index < 0 && made.lanes.length >= MOST_LANES) {
      left += inside.length;
      continue;
    }
    if (index < 0) {
      made = addLane(made, nameOf(made.lanes.length + 1));
      index = made.lanes.length - 1;
    }
    taken.add(made.lanes[index].id);
    if (speaker) made = changeLane(made, index, { name: speaker });
    const placed = inside.map((cue) =>
      makeClip({ file, in: cue.start, out: Math.min(cue.end, seconds), start: start + cue.start, label: cue.text }),
    );
    made = addClips(made, index, ...placed);
    clips += placed.length;
    lanes += 1;
  }
  return { dialogue: made, clips, lanes, left };
}

/** The recording that cues without one belong to: of the clip that is selected, else the only one there is. @param {DialogueEditor} editor */
function recordingOfCues(editor) {
  const found = chosen(editor);
  const clips = found ? [found.clip] : editor.dialogue.lanes.flatMap((lane) => lane.clips);
  if (new Set(clips.map(({ file }) => file)).size !== 1) return undefined;
  const [{ file, start, in: first }] = clips;
  return { file, start: Math.max(0, start - first), seconds: editor.sounds.seconds(file) ?? Infinity };
}
