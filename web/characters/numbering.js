// @ts-check
/** New and copied characters get a name of their own. What is loaded keeps its names, whatever they are. */
import { chain } from "../chain.js";
import { castsOf, charactersOf, isCharacter, isDriven, nameOf, nameWidget } from "./casts.js";
import { freeName } from "./free_name.js";

/** @typedef {import("../graph_walk.js").Graph} Graph */
/** @typedef {import("../graph_walk.js").GraphNode} GraphNode */

export class Numbering {
  /** While a workflow is loaded, or taken back to an earlier state by undo. */
  loading = false;
  /** Copies that nobody has looked at yet. @type {Set<GraphNode>} */
  #copies = new Set();
  /** How often each name was there before them. @type {Map<string, number>} */
  #before = new Map();

  /** @param {() => Graph} root the graph that is open */
  constructor(root) {
    this.root = root;
  }

  /** A node was made, which is not in a graph yet. @param {GraphNode} node */
  watch(node) {
    if (!isCharacter(node)) return;
    const original = nameWidget(node)?.value;
    let copied = false;
    chain(node, "onConfigure", () => {
      copied = true;
      if (!this.loading) this.#expect(node);
    });
    chain(node, "onAdded", () => {
      const widget = nameWidget(node);
      if (this.loading || copied || widget?.value !== original) return;
      widget.value = freeName(original, this.#others(node), 1);
    });
  }

  /**
   * A copy is looked at once its links are there too: at the end of the change that it is made in, so that one undo
   * takes both away, and where ComfyUI tells of no end, right after.
   * @param {GraphNode} node
   */
  #expect(node) {
    if (!this.#copies.size) {
      this.#before = counted(charactersOf(this.root()).filter((place) => place.node !== node));
      setTimeout(() => this.settle());
    }
    this.#copies.add(node);
  }

  /**
   * Renames each copy whose name another character has already. A name that is not there more often than before was
   * not copied but moved, as into a subgraph.
   */
  settle() {
    const copies = [...this.#copies];
    this.#copies.clear();
    for (const node of copies) {
      const characters = charactersOf(this.root());
      const place = characters.find((character) => character.node === node);
      const widget = nameWidget(node);
      if (!place || !widget || isDriven(node)) continue;
      const own = nameOf(place) ?? "";
      if ((counted(characters).get(own) ?? 0) <= (this.#before.get(own) ?? 0)) continue;
      const taken = this.#companions(node) ?? this.#others(node);
      if (taken.has(own)) widget.value = freeName(own, new Set([...taken, ...this.#others(node)]));
    }
  }

  /** Names of all other characters of the workflow. @param {GraphNode} node */
  #others(node) {
    return namesOf(charactersOf(this.root()).filter((place) => place.node !== node));
  }

  /**
   * Names of the others in the casts that a character is wired into, undefined without one: a copy of a whole cast
   * keeps its names.
   * @param {GraphNode} node
   */
  #companions(node) {
    const casts = castsOf(this.root()).map(({ sockets }) => sockets.flat());
    const own = casts.filter((cast) => cast.some((place) => place.node === node));
    return own.length ? namesOf(own.flat().filter((place) => place.node !== node)) : undefined;
  }
}

/** @param {import("../graph_walk.js").Place[]} places @returns {Set<string>} */
const namesOf = (places) => new Set(places.flatMap((place) => nameOf(place) ?? []));

/** @param {import("../graph_walk.js").Place[]} places */
function counted(places) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const name of places.flatMap((place) => nameOf(place) ?? [])) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
