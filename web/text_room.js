// @ts-check
/** A new node is as high as it will be with the text of a run, so that it grows over no neighbour. */
import { chain } from "./chain.js";
import { typeOf } from "./graph_walk.js";

/** @typedef {import("./graph_walk.js").GraphNode} GraphNode */

const TEXT = 66; // pixels of three lines and their margins; the shipped graphs leave as much (tools/graphs/layout.py)
const WIDTH = 300; // of a node whose lines these are
/** Of nodes that say something in most runs, and have nothing that gives way to it. @type {Record<string, number>} */
const ROOM = {
  InterActLoadDiT: TEXT,
  InterActApplyAdapter: TEXT,
  InterActEncodeSpeech: TEXT,
  InterActEncodeCharacters: 2 * TEXT, // who speaks when: a line for each character
  InterActNextPart: TEXT,
  InterActDub: TEXT,
  InterActPlace: TEXT,
  InterActSampler: TEXT,
  InterActMaskGuidance: TEXT,
};

export class TextRoom {
  /** While a workflow is loaded: its nodes keep their sizes. */
  loading = false;

  /** A node was made; one of a workflow gets its own size after this. @param {GraphNode} node */
  watch(node) {
    const room = ROOM[typeOf(node)];
    if (!room) return;
    keep(node, room);
    // A socket more takes its place from the room.
    chain(node, "onConnectionsChange", () => !this.loading && setTimeout(() => node.graph && keep(node, room)));
  }
}

/** @param {GraphNode} node @param {number} room */
function keep(node, room) {
  const [width, height] = node.size;
  const needed = node.computeSize()[1] + (says(node) ? 0 : room);
  if (width < WIDTH || height < needed) node.setSize([Math.max(width, WIDTH), Math.max(height, needed)]);
}

/** @param {GraphNode} node */
const says = (node) =>
  node.widgets?.some((/** @type {any} */ { name, element }) => name === "interact_text" && !element.hidden);
