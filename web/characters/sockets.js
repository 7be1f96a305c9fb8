// @ts-check
/**
 * Keeps characters on the growing sockets of Encode Characters where ComfyUI's frontend would drop their links. It closes
 * a gap a frame after a link has gone, without looking whether another one came to that socket since, or whether a
 * second gap has moved it (1.47). In a node that is copied, or goes into a subgraph or out of one, it puts the sockets
 * last, so that links by number miss them (1.47, 1.58).
 */
import { linkInto } from "../graph_walk.js";
import { SOCKET } from "./casts.js";

/** @typedef {import("../graph_walk.js").GraphNode} GraphNode */

const INPUT = 1; // LiteGraph's name for the side of a link

/** @param {GraphNode} node an Encode Characters */
export function keepLinks(node) {
  closeGapsTogether(node);
  keepOrder(node);
}

/** Has the gaps of a frame closed in the next one, those that are still there, from the last to the first. @param {GraphNode} node */
function closeGapsTogether(node) {
  const own = node.onConnectionsChange;
  /** Names of sockets that a link has left. @type {Set<string>} */
  const left = new Set();
  const close = () => {
    const gaps = [...left].map((name) => node.inputs.findIndex((/** @type {any} */ input) => input.name === name));
    left.clear();
    for (const slot of gaps.sort((one, other) => other - one))
      if (slot >= 0 && node.graph && !linkInto(node, slot))
        own?.call(node, INPUT, slot, false, null, node.inputs[slot]);
  };
  node.onConnectionsChange = function (/** @type {any[]} */ ...change) {
    const [side, slot, connected] = change;
    const name = this.inputs?.[slot]?.name ?? "";
    if (side !== INPUT || connected || !SOCKET.test(name)) return own?.apply(this, change);
    if (!left.size) requestAnimationFrame(close);
    left.add(name);
    return undefined;
  };
}

/** Has a node that is configured keep its inputs in the saved order, by which links are counted. @param {GraphNode} node */
function keepOrder(node) {
  const own = node.configure;
  node.configure = function (/** @type {any} */ saved) {
    // Read before: ComfyUI puts the sockets that a new node does not have at the end of what was saved, too.
    const places = new Map((saved?.inputs ?? []).map((/** @type {any} */ { name }, /** @type {number} */ at) => [name, at]));
    own.call(this, saved);
    const place = (/** @type {any} */ { name }) => places.get(name) ?? places.size;
    this.inputs.sort((/** @type {any} */ one, /** @type {any} */ other) => place(one) - place(other));
  };
}
