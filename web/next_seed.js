// @ts-check
/** Where in a graph the seed of a run is, to go on with the next one. Works on LiteGraph's objects without importing them. */
import { SUBGRAPH_INPUT, executionId, linkInto, origins, places } from "./graph_walk.js";

/** @typedef {import("./graph_walk.js").Place} Place */

const SEEDS = ["seed", "noise_seed"];
const HANDED = [...SEEDS, "value"]; // what nodes that hand a number on call it
const DEEPEST = 64; // links from the viewer

/**
 * The widget that holds a run's seed: of the node that samples, or of the nearest above the viewer that has one.
 * @param {any} root graph @param {any} viewer its node @param {string} source execution id of the node that samples
 * @returns {any} undefined where there is none
 */
export function seedWidget(root, viewer, source) {
  const all = [...places(root)];
  const sampler = all.filter((place) => executionId(place) === source);
  const start = all.filter(({ node }) => node === viewer);
  const seen = new Set();
  for (let front = [...sampler, ...start], depth = 0; front.length && depth < DEEPEST; depth++) {
    for (const place of front) {
      const widget = ownSeed(place);
      if (widget) return widget;
    }
    front = front.flatMap(above).filter((place) => {
      const id = executionId(place);
      return !seen.has(id) && seen.add(id);
    });
  }
  return undefined;
}

/** @param {Place} place */
const above = ({ node, path }) =>
  (node.inputs ?? []).flatMap((/** @type {any} */ _, /** @type {number} */ slot) => origins(node, slot, path));

/** @param {Place} place */
function ownSeed({ node, path }) {
  const widget = widgetOf(node, SEEDS);
  if (!widget) return undefined;
  const slot = (node.inputs ?? []).findIndex((/** @type {any} */ { name }) => name === widget.name);
  const link = slot < 0 ? undefined : linkInto(node, slot);
  if (!link) return widget;
  const around = path.at(-1);
  if (Number(link.origin_id) === SUBGRAPH_INPUT && around && !linkInto(around, link.origin_slot))
    return widgetOf(around, [around.inputs?.[link.origin_slot]?.name]);
  const [origin] = origins(node, slot, path);
  return origin && widgetOf(origin.node, HANDED);
}

/** @param {any} node @param {string[]} names */
const widgetOf = (node, names) =>
  (node.widgets ?? []).find((/** @type {any} */ { name, value }) => names.includes(name) && Number.isFinite(value));

/**
 * Puts the next seed into a widget. One that holds another than the run had, as "randomize" leaves it, stays.
 * @param {any} widget @param {string | null | undefined} seed of the run
 */
export function putNextSeed(widget, seed) {
  if (seed !== null && seed !== undefined && Number(seed) !== widget.value) return;
  const most = Math.min(widget.options?.max ?? Infinity, Number.MAX_SAFE_INTEGER);
  widget.value = widget.value + 1 > most ? 0 : widget.value + 1;
  widget.callback?.(widget.value);
}
