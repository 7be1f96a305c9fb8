// @ts-check
/**
 * One colour for a character: of its masks, of its lane, and of the nodes that are about it alone. The order is the
 * cast's, as for the masks.
 */
import { characterColours } from "../viewer/palette.js";
import { inputsFor, origins } from "../graph_walk.js";
import { castsOf, isCharacter, nameWidget } from "./casts.js";

/** @typedef {import("../graph_walk.js").Graph} Graph */
/** @typedef {import("../graph_walk.js").GraphNode} GraphNode */
/** @typedef {import("../graph_walk.js").Place} Place */

const MATERIAL = new Set(["IMAGE", "MASK", "AUDIO", "AUDIO_ENCODER_OUTPUT"]); // what a character is made of
const TITLE = 0.22; // of the colour: darker than the body, as ComfyUI's own node colours, whose titles are pale
const BODY = 0.36;

/** How a node and a group are coloured for the character of a place in its cast. @param {number} place */
export function shades(place) {
  const colour = characterColours(place + 1)[place];
  const hex = (/** @type {number} */ share) =>
    `#${colour.map((part) => Math.round(part * share).toString(16).padStart(2, "0")).join("")}`;
  return { color: hex(TITLE), bgcolor: hex(BODY), group: hex(1) };
}

/** The characters of a workflow with their places in the first cast they are in. @param {Graph} root @returns {Map<GraphNode, number>} */
export function placesInCasts(root) {
  /** @type {Map<GraphNode, number>} */
  const found = new Map();
  for (const { sockets } of castsOf(root)) {
    const there = sockets.filter((characters) => characters.length);
    there.forEach((characters, place) => {
      for (const { node } of characters) if (!found.has(node)) found.set(node, place);
    });
  }
  return found;
}

/** Colours every character of a cast, what feeds it alone, and the group that has its name. @param {Graph} root */
export function colourCasts(root) {
  const cast = placesInCasts(root);
  const owners = ownersOf(cast);
  for (const [node, place] of owners) if (place !== undefined) Object.assign(node, pick(shades(place)));
  for (const graph of new Set([...cast.keys()].map((node) => node.graph)))
    for (const group of graph._groups ?? graph.groups ?? []) {
      const named = [...cast].filter(([node]) => node.graph === graph && nameWidget(node)?.value === group.title);
      if (named.length === 1) group.color = shades(named[0][1]).group;
    }
  root.setDirtyCanvas?.(true, true);
}

/**
 * For each lane of a dialogue the place of the character that speaks it, where its voice goes to one.
 * @param {Graph} root @param {any[][]} targets ids of the nodes that each lane goes to @param {Graph} graph theirs
 * @returns {(number | undefined)[]}
 */
export function lanePlaces(root, targets, graph) {
  const cast = placesInCasts(root);
  const spoken = (/** @type {GraphNode} */ character, /** @type {any[]} */ ids) =>
    [character, ...above(character)].some((node) => ids.includes(node.id));
  const here = [...cast].filter(([character]) => character.graph === graph);
  return targets.map((ids) => here.find(([character]) => spoken(character, ids))?.[1]);
}

/** @param {ReturnType<typeof shades>} all */
const pick = ({ color, bgcolor }) => ({ color, bgcolor });

/**
 * Nodes with the character that they are about; undefined where several share one, such as a dialogue.
 * @param {Map<GraphNode, number>} cast @returns {Map<GraphNode, number | undefined>}
 */
function ownersOf(cast) {
  /** @type {Map<GraphNode, number | undefined>} */
  const owners = new Map(cast);
  for (const [character, place] of cast)
    for (const node of above(character)) {
      if (isCharacter(node)) continue;
      owners.set(node, owners.has(node) && owners.get(node) !== place ? undefined : place);
    }
  return owners;
}

/** The nodes of its own graph that a character's picture, masks and voice come from. @param {GraphNode} character */
function above(character) {
  /** @type {Set<GraphNode>} */
  const seen = new Set();
  const left = [character];
  for (let node = left.pop(); node; node = left.pop())
    for (const slot of inputsFor(node, MATERIAL))
      for (const { node: origin } of origins(node, slot, []))
        if (origin.graph === character.graph && !seen.has(origin)) {
          seen.add(origin);
          left.push(origin);
        }
  return seen;
}
