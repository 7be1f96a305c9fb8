// @ts-check
/** What stands above a node, by the types of what its inputs take. */
import { executionId, inputsFor, origins } from "../graph_walk.js";

/** @typedef {import("../graph_walk.js").Place} Place */

/**
 * All places above one, nearest first, itself not among them.
 * @param {Place} start @param {string[]} types of inputs that are followed; "*" is always
 * @returns {Place[]}
 */
export function upstream(start, types) {
  const followed = new Set([...types, "*"]);
  const seen = new Set([executionId(start)]);
  /** @type {Place[]} */
  const found = [];
  let front = [start];
  while (front.length) {
    const next = front.flatMap(({ node, path }) =>
      inputsFor(node, followed).flatMap((slot) => origins(node, slot, path)),
    );
    front = next.filter((place) => {
      const id = executionId(place);
      return !seen.has(id) && seen.add(id);
    });
    found.push(...front);
  }
  return found;
}

/** @param {any} node @param {string} name */
export const inputNamed = (node, name) => (node.inputs ?? []).findIndex((/** @type {any} */ input) => input.name === name);

/** @param {any} node @param {string} name */
export const widgetNamed = (node, name) => node.widgets?.find((/** @type {any} */ widget) => widget.name === name);

/** What comes into an input by its name, nothing where none does. @param {Place} place @param {string} name @returns {Place | undefined} */
export function originOf({ node, path }, name) {
  const slot = inputNamed(node, name);
  return slot < 0 ? undefined : origins(node, slot, path)[0];
}
