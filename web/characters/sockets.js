// @ts-check
/**
 * Keeps characters on the growing sockets of Encode Characters where ComfyUI's frontend (1.47) would drop their links:
 * it closes a gap a frame after a link has gone, without looking whether another one came to that socket since, or
 * whether a second gap has moved it; and in a copy it puts the sockets last, so that links by number miss them.
 */
import { chain } from "../chain.js";
import { linkInto } from "../graph_walk.js";
import { SOCKET } from "./casts.js";

/** @typedef {import("../graph_walk.js").GraphNode} GraphNode */

const INPUT = 1; // LiteGraph's name for the side of a link

/** @param {GraphNode} node an Encode Characters @param {() => boolean} configuring whether links come from a file */
export function keepLinks(node, configuring) {
  closeGapsTogether(node);
  chain(node, "onConfigure", () => {
    if (!configuring()) putInOrder(node);
  });
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

/** Puts the sockets in a row, where they are in a node that was never copied. @param {GraphNode} node */
function putInOrder(node) {
  const { inputs } = node;
  const isSocket = (/** @type {any} */ { name }) => SOCKET.test(name);
  const number = (/** @type {any} */ { name }) => Number(name.split("_").pop());
  const sockets = inputs.filter(isSocket).sort((/** @type {any} */ one, /** @type {any} */ other) => number(one) - number(other));
  const others = inputs.filter((/** @type {any} */ input) => !isSocket(input));
  others.splice(inputs.findIndex(isSocket), 0, ...sockets);
  inputs.splice(0, inputs.length, ...others);
}
