// @ts-check
import { Lens } from "./lens.js";
import { common, fit } from "./painter.js";
import { say } from "./words.js";

/** @typedef {import("./types.js").Scene} Scene */
/** @typedef {import("./types.js").Compare} Compare */
/** @typedef {import("./painter.js").Box} Box */
/** @typedef {import("./painter.js").View} View */
/** @typedef {{view: View, box: Box, room: Box, seen: Box}} Placed a picture, the room that it has, and what is seen of it */

const GAP = 6; // CSS pixels between two pictures

/**
 * The rooms of one or two pictures of the video's shape, beside or above each other, whichever makes them larger.
 * @param {Scene} scene @param {number} count 1 or 2 @param {number} width @param {number} height
 * @param {number} [gap] @returns {Box[]}
 */
export function roomsOf(scene, count, width, height, gap = GAP) {
  if (count < 2) return [{ x: 0, y: 0, width, height }];
  const half = { width: (width - gap) / 2, height: (height - gap) / 2 };
  const beside = [0, 1].map((at) => ({ x: at * (half.width + gap), y: 0, width: half.width, height }));
  const above = [0, 1].map((at) => ({ x: 0, y: at * (half.height + gap), width, height: half.height }));
  return fit(scene, beside[0]).width >= fit(scene, above[0]).width ? beside : above;
}

/**
 * How two views can be compared: not in one picture where their masks are of other people or of another size.
 * @param {View[]} views @param {Compare} wanted @returns {Compare}
 */
export function comparison(views, wanted) {
  if (views.length < 2) return "beside";
  const [one, other] = views.map(({ scene: { names, grid, width, height } }) => ({ names, grid, width, height }));
  const same = JSON.stringify(one) === JSON.stringify(other);
  const both = views.every(({ masks }) => masks);
  return same && (both || wanted === "wipe") ? wanted : "beside";
}

/**
 * What is drawn in how many rooms: of a difference, one view of two.
 * @param {View[]} views @param {Compare} compare as `comparison` says @returns {View[]}
 */
export function merged(views, compare) {
  if (compare !== "difference") return views;
  const [before, after] = views;
  const caption = say("difference", { one: before.caption ?? "", other: after.caption ?? "" });
  return [{ ...after, before: before.masks, caption }];
}

/**
 * Where views lie that have been `merged`.
 * @param {View[]} views @param {Box[]} rooms one for each, or one for both where one is wiped over the other
 * @param {number} wipe how much of the picture the first one has then, 0..1
 * @param {Lens} [lens]
 * @returns {Placed[]}
 */
export function arrange(views, rooms, wipe, lens = new Lens()) {
  return views.map((view, at) => {
    const room = rooms[Math.min(at, rooms.length - 1)];
    const box = lens.enlarge(fit(view.scene, room), room);
    const seen = common(box, room);
    if (rooms.length < views.length) {
      const left = wipe * seen.width;
      if (at) Object.assign(seen, { x: seen.x + left, width: seen.width - left });
      else seen.width = left;
    }
    return { view, box, room, seen };
  });
}
