// @ts-check
/** Times that a drag sticks to: ends of other clips, the playhead, the start of the film, and else frames. */
import { endOf } from "./model.js";

/** @typedef {import("./model.js").Dialogue} Dialogue */

/**
 * @param {Dialogue} dialogue @param {number} id of the clip that is dragged, whose own ends do not count
 * @param {number[]} others more times, such as the playhead's
 */
export const anchors = (dialogue, id, others) => [
  0,
  ...others,
  ...dialogue.lanes.flatMap(({ clips }) =>
    clips.flatMap((clip) => (clip.id === id ? [] : [clip.start, endOf(clip)])),
  ),
];

/**
 * The nearest of the anchors within reach, else the nearest frame.
 * @param {number} time @param {number[]} times anchors @param {number} reach seconds @param {number} fps
 * @returns {{time: number, anchor: number | undefined}}
 */
export function snapped(time, times, reach, fps) {
  const anchor = nearest(time, times);
  if (anchor !== undefined && Math.abs(anchor - time) <= reach) return { time: anchor, anchor };
  return { time: Math.round(time * fps) / fps, anchor: undefined };
}

/**
 * Where a clip that is dragged begins: either of its ends may stick.
 * @param {number} start @param {number} length @param {number[]} times @param {number} reach @param {number} fps
 */
export function snappedClip(start, length, times, reach, fps) {
  const head = nearest(start, times);
  const tail = nearest(start + length, times);
  const away = [head, tail].map((at, end) => (at === undefined ? Infinity : Math.abs(at - start - end * length)));
  if (Math.min(...away) > reach) return { time: Math.round(start * fps) / fps, anchor: undefined };
  const anchor = /** @type {number} */ (away[0] <= away[1] ? head : tail);
  return { time: Math.max(0, away[0] <= away[1] ? anchor : anchor - length), anchor };
}

/** @param {number} time @param {number[]} times */
function nearest(time, times) {
  let found;
  for (const at of times) if (found === undefined || Math.abs(at - time) < Math.abs(found - time)) found = at;
  return found;
}
