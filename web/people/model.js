// @ts-check
/**
 * Who is who among the people of a picture, as interact_core/guidance/lineup.py reads it: names, order, merges, and who
 * is left out. Nothing here is changed in place.
 */
import { freeName } from "../characters/free_name.js";

/** @typedef {[number, number]} Point as shares of the picture's width and height */
/** @typedef {{name: string, at: Point[]}} Entry */
/** @typedef {{people: Entry[], dropped: Point[]}} Edits */
/** @typedef {{at: Point, outline: number[][], kept: number}} Found somebody that a run has found */
/**
 * @typedef {object} View what a run has found (interact_core/preview/people.py)
 * @property {number} format
 * @property {{filename: string, subfolder: string, type: string}} picture the crop that the model sees
 * @property {[number, number]} size of the whole picture in pixels
 * @property {[number, number, number, number]} crop of it: left, top, width, height
 * @property {[number, number]} video
 * @property {Found[]} found
 */
/**
 * @typedef {object} Person
 * @property {string} name as it is written, "" for the default one
 * @property {string} called
 * @property {Point[]} at
 * @property {number[]} found which of those that were found; fewer than points where somebody is not there
 */
/** @typedef {{people: Person[], dropped: {at: Point, found: number | undefined}[]}} Lineup */

export const OUTLINE = 10000; // the whole width, or height, in the numbers of an outline
export const FORMAT = 1;

/** @type {Edits} */
export const NOBODY = { people: [], dropped: [] };

/** @param {string} text @returns {Edits | undefined} undefined for what is none */
export function read(text) {
  if (!text.trim()) return NOBODY;
  try {
    const { people = [], dropped = [] } = JSON.parse(text);
    const sound =
      Array.isArray(people) && Array.isArray(dropped) && dropped.every(isPoint) && people.every((one) => isPointed(one));
    if (!sound) return undefined;
    return { people: people.map(({ name = "", at }) => ({ name: name.trim(), at })), dropped };
  } catch {
    return undefined;
  }
}

/** @param {any} entry */
const isPointed = (entry) =>
  ["string", "undefined"].includes(typeof entry?.name) && Array.isArray(entry?.at) && entry.at.length > 0 && entry.at.every(isPoint);

/** @param {any} point */
const isPoint = (point) => Array.isArray(point) && point.length === 2 && point.every((one) => typeof one === "number" && one >= 0 && one <= 1);

/** @param {Edits} edits @returns {string} */
export function write({ people, dropped }) {
  if (!people.length && !dropped.length) return "";
  const entries = people.map(({ name, at }) => (name ? { name, at } : { at }));
  return JSON.stringify({ people: entries, ...(dropped.length ? { dropped } : {}) });
}

/**
 * The people in the order of their numbers. Before a run only those of the edits are known.
 * @param {Edits} edits @param {View | undefined} view @returns {Lineup}
 */
export function lineUp(edits, view) {
  const all = view?.found ?? [];
  const free = new Set(all.keys());
  const take = (/** @type {Point} */ point) => {
    const found = foundAt(point, all, free);
    if (found !== undefined) free.delete(found);
    return found;
  };
  const dropped = edits.dropped.map((at) => ({ at, found: take(at) }));
  const known = edits.people.map(({ name, at }) => ({ name, at, found: at.map(take).filter((found) => found !== undefined) }));
  const others = [...free].map((found) => ({ name: "", at: [all[found].at], found: [found] }));
  const taken = new Set(known.map(({ name }) => name));
  const people = [...known, ...others].map((person, index) => {
    const called = person.name || freeName("Character", taken, index + 1);
    taken.add(called);
    return { ...person, called };
  });
  return { people, dropped };
}

/** The one whose outline is around a point, the nearest of several. @param {Point} point @param {Found[]} all @param {Set<number>} free */
function foundAt(point, all, free) {
  const distance = (/** @type {number} */ one) => Math.hypot(all[one].at[0] - point[0], all[one].at[1] - point[1]);
  const there = [...free].filter((one) => distance(one) < 1e-6 || isInside(point, all[one].outline));
  return there.sort((one, other) => distance(one) - distance(other))[0];
}

/** Even-odd, as rings of holes want it. @param {Point} point @param {number[][]} outline */
export function isInside([x, y], outline) {
  let inside = false;
  for (const ring of outline)
    for (let at = 0, before = ring.length - 2; at < ring.length; before = at, at += 2) {
      const [x1, y1, x2, y2] = [ring[at], ring[at + 1], ring[before], ring[before + 1]].map((one) => one / OUTLINE);
      if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
    }
  return inside;
}

// ------------------------------------------------------------------------------------------------ edits

/** @param {Lineup} lineup @returns {Edits} everybody by name, so that nobody changes their number without an edit */
const edited = ({ people, dropped }) => ({
  people: people.map(({ name, at }) => ({ name, at })),
  dropped: dropped.map(({ at }) => at),
});

/** @param {Lineup} lineup @param {number} index @param {string} name */
export function rename(lineup, index, name) {
  const people = lineup.people.map((person, at) => (at === index ? { ...person, name: nameFor(lineup, index, name) } : person));
  return edited({ ...lineup, people });
}

/** @param {Lineup} lineup @param {number} index @param {number} to */
export function move(lineup, index, to) {
  const people = [...lineup.people];
  const [one] = people.splice(index, 1);
  people.splice(Math.min(people.length, Math.max(0, to)), 0, one);
  return edited({ ...lineup, people });
}

/** Who has a name already gets a number behind it: the server refuses namesakes. @param {Lineup} lineup @param {number} index @param {string} name */
export function nameFor(lineup, index, name) {
  const own = name.trim();
  const taken = new Set(lineup.people.flatMap((person, at) => (at === index ? [] : [person.name])));
  return own && taken.has(own) ? freeName(own, taken) : own;
}

/** @param {Lineup} lineup @param {number} index */
export function drop(lineup, index) {
  const gone = lineup.people[index].at.map((at) => ({ at, found: undefined }));
  return edited({ people: lineup.people.filter((_, at) => at !== index), dropped: [...lineup.dropped, ...gone] });
}

/** @param {Lineup} lineup @param {number} index of those that were left out */
export function bringBack(lineup, index) {
  const { people, dropped } = edited(lineup);
  return { people: [...people, { name: "", at: [dropped[index]] }], dropped: dropped.filter((_, at) => at !== index) };
}

/** The other's pieces become the one's. @param {Lineup} lineup @param {number} index @param {number} other */
export function merge(lineup, index, other) {
  const { people, dropped } = edited(lineup);
  const both = { name: people[index].name || people[other].name, at: [...people[index].at, ...people[other].at] };
  return { people: people.map((person, at) => (at === index ? both : person)).filter((_, at) => at !== other), dropped };
}

/** Each piece is somebody again. @param {Lineup} lineup @param {number} index */
export function part(lineup, index) {
  const { people, dropped } = edited(lineup);
  const { name, at } = people[index];
  const pieces = at.map((point, number) => ({ name: number ? "" : name, at: [point] }));
  return { people: [...people.slice(0, index), ...pieces, ...people.slice(index + 1)], dropped };
}
