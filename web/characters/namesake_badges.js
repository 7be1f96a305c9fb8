// @ts-check
/** Two characters of one name in one cast are told on both of them while one edits, as the server would refuse them. */
import { isCharacter, nameWidget, namesakes } from "./casts.js";
import { words } from "../graph/words.js";

/** @typedef {import("../graph_walk.js").Graph} Graph */
/** @typedef {import("../graph_walk.js").GraphNode} GraphNode */
/** @typedef {any} Badge LiteGraph's LGraphBadge */

const INK = "#000000";
const PAPER = "#e69f00"; // the palette's orange, on which black has a contrast of 9:1

export class NamesakeBadges {
  /** Characters with a namesake, and the label that their widget had before. @type {Map<GraphNode, string | undefined>} */
  #told = new Map();
  #text = "";

  /** @param {(options: {text: string, fgColor?: string, bgColor?: string}) => Badge} makeBadge */
  constructor(makeBadge) {
    this.makeBadge = makeBadge;
  }

  /**
   * A node was made. Nodes 2.0 asks for its badges again when something changes that they were made of: here the
   * widget's label, which therefore says it too.
   * @param {GraphNode} node
   */
  watch(node) {
    if (!isCharacter(node)) return;
    node.badges.push(() => {
      const { label } = nameWidget(node) ?? {};
      const text = label !== undefined && this.#told.has(node) ? this.#text : "";
      return this.makeBadge({ text, fgColor: INK, bgColor: PAPER });
    });
  }

  /** Brings what is told up to date. @param {Graph} root */
  update(root) {
    const found = namesakes(root);
    this.#text = words.say("nameTaken");
    for (const [node, label] of this.#told) {
      if (found.has(node)) continue;
      this.#told.delete(node);
      relabel(node, label);
    }
    for (const node of found) {
      if (!this.#told.has(node)) this.#told.set(node, nameWidget(node)?.label);
      relabel(node, words.say("nameTakenLabel"));
    }
  }
}

/** @param {GraphNode} node @param {string | undefined} label */
function relabel(node, label) {
  const widget = nameWidget(node);
  if (!widget || widget.label === label) return;
  widget.label = label;
  node.setDirtyCanvas?.(true, true);
}
