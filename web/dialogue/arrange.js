// @ts-check
/** Where clips go by themselves, and who speaks when: all in seconds, none of it changed in place. */
import { endOf, inOrder, moveClip, secondsOf } from "./model.js";

/** @typedef {import("./model.js").Dialogue} Dialogue */
/** @typedef {import("./model.js").Lane} Lane */
/** @typedef {[number, number]} Span */

export const SHORTEST_PAUSE = 0.5; // seconds, as the node says it (host/encode/dialogue.py)
const TICK = 1e-6; // of a frame

/** The first frame that is not before a time. @param {number} time @param {number} fps */
const frameFrom = (time, fps) => Math.ceil(time * fps - TICK) / fps;

/** The frame nearest to a time. @param {number} time @param {number} fps */
export const nearestFrame = (time, fps) => Math.round(time * fps) / fps;

/** Frames of a film that ends so many seconds from its start: of the form 4n+1. @param {number} end @param {number} fps */
export const framesFor = (end, fps) => snapFrames(Math.ceil(end * fps - TICK));

/** @param {number} frames */
export const snapFrames = (frames) => Math.max(0, Math.ceil((frames - 1) / 4)) * 4 + 1;

/**
 * One after another in the order in which they begin, with a pause between, from where the first one is.
 * @param {Dialogue} dialogue @param {number} pause seconds @param {number} fps
 */
export function inTurn(dialogue, pause, fps) {
  let time = inOrder(dialogue)[0]?.clip.start ?? 0;
  let made = dialogue;
  for (const { index, clip } of inOrder(dialogue)) {
    made = moveClip(made, clip.id, frameFrom(time, fps), index);
    time = frameFrom(time, fps) + secondsOf(clip) + pause;
  }
  return made;
}

/**
 * Spread evenly up to a time, with equal pauses, in the order in which they begin; one after another where there is no
 * room for pauses.
 * @param {Dialogue} dialogue @param {number} end seconds @param {number} fps
 */
export function spread(dialogue, end, fps) {
  const all = inOrder(dialogue);
  if (!all.length) return dialogue;
  const spoken = all.reduce((sum, { clip }) => sum + secondsOf(clip), 0);
  const pause = all.length > 1 ? (end - all[0].clip.start - spoken) / (all.length - 1) : 0;
  if (pause <= 0) return inTurn(dialogue, 0, fps);
  let time = all[0].clip.start;
  let made = dialogue;
  for (const { index, clip } of all) {
    const start = Math.floor(time * fps + TICK) / fps;
    made = moveClip(made, clip.id, start, index);
    time += secondsOf(clip) + pause;
  }
  return made;
}

/** When a lane is heard: in order, clips that touch joined. @param {Lane} lane @returns {Span[]} */
export function speaking(lane) {
  /** @type {Span[]} */
  const joined = [];
  const heard = lane.mute ? [] : lane.clips.filter((clip) => !clip.mute);
  for (const clip of [...heard].sort((one, other) => one.start - other.start)) {
    const [first, end] = [Math.max(0, clip.start), endOf(clip)];
    const open = joined.at(-1);
    if (end <= first) continue;
    if (open && first <= open[1] + TICK) open[1] = Math.max(open[1], end);
    else joined.push([first, end]);
  }
  return joined;
}

/** Where two lanes or more speak at once, in order, joined. @param {Dialogue} dialogue @returns {Span[]} */
export const overlaps = (dialogue) => where(dialogue, (count) => count > 1);

/** Where nobody speaks for a while, up to the end of the film. @param {Dialogue} dialogue @param {number} end @returns {Span[]} */
export const pauses = (dialogue, end) =>
  where(dialogue, (count) => !count, end).filter(([first, last]) => last - first >= SHORTEST_PAUSE - TICK);

/**
 * @param {Dialogue} dialogue @param {(speaking: number) => boolean} asked @param {number} [end]
 * @returns {Span[]}
 */
function where(dialogue, asked, end = 0) {
  const turns = dialogue.lanes.flatMap((lane) =>
    speaking(lane).flatMap(([first, last]) => [
      { at: first, by: 1 },
      { at: last, by: -1 },
    ]),
  );
  turns.push({ at: end, by: 0 });
  turns.sort((one, other) => one.at - other.at || one.by - other.by);
  /** @type {Span[]} */
  const found = [];
  let count = 0;
  let since = 0;
  for (const { at, by } of turns) {
    if (asked(count) && at - since > TICK && (!end || since < end)) {
      const open = found.at(-1);
      const until = end ? Math.min(at, end) : at;
      if (open && since - open[1] <= TICK) open[1] = until;
      else found.push([since, until]);
    }
    count += by;
    since = at;
  }
  return found;
}
