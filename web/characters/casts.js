// @ts-check
/** Who goes into which Encode Characters, read off the graph as it stands: without ComfyUI, and before any run. */
import { BYPASSED, MUTED, SUBGRAPH_INPUT, executionId, inputsFor, linkInto, origins, places, typeOf } from "../graph_walk.js";

/** @typedef {import("../graph_walk.js").Place} Place */
/** @typedef {import("../graph_walk.js").Graph} Graph */
/** @typedef {import("../graph_walk.js").GraphNode} GraphNode */
/**
 * An Encode Characters, and for each of its sockets the characters that may come to it: several where a switch
 * decides, none where the way ends.
 * @typedef {{encoder: Place, sockets: Place[][]}} Cast
 */

const CHARACTERS = new Set(["InterActCharacter", "InterActRegion"]);
const ENCODER = "InterActEncodeCharacters";
/** Names of the sockets that characters are connected to. */
export const SOCKET = /^characters\.character_\d+$/;
const HANDED_ON = new Set(["INTERACT_CHARACTER", "*"]);
/** Nodes whose only widget is what they hand on. */
const PRIMITIVES = new Set(["PrimitiveNode", "PrimitiveString", "PrimitiveStringMultiline", "PrimitiveInt", "PrimitiveFloat"]);

/** @param {GraphNode} node */
export const isCharacter = (node) => CHARACTERS.has(typeOf(node));

/** @param {GraphNode} node */
export const isEncoder = (node) => typeOf(node) === ENCODER;

/** All characters of a workflow, also the muted ones. @param {Graph} root @returns {Place[]} */
export const charactersOf = (root) => [...places(root)].filter(({ node }) => isCharacter(node));

/** @param {Graph} root @returns {Cast[]} */
export function castsOf(root) {
  const encoders = [...places(root)].filter(
    ({ node }) => isEncoder(node) && node.mode !== MUTED && node.mode !== BYPASSED,
  );
  return encoders.map((encoder) => ({ encoder, sockets: socketsOf(encoder) }));
}

/** @param {Place} encoder */
function socketsOf(encoder) {
  /** @type {any[]} */
  const inputs = encoder.node.inputs ?? [];
  return inputs.flatMap(({ name }, slot) => (SOCKET.test(name) ? [charactersAt(encoder, slot, new Set())] : []));
}

/**
 * The characters that may come to an input, through reroutes, switches and subgraphs.
 * @param {Place} place @param {number} slot @param {Set<string>} seen @returns {Place[]}
 */
function charactersAt(place, slot, seen) {
  return origins(place.node, slot, place.path).flatMap((found) => {
    const id = executionId(found);
    if (seen.has(id)) return [];
    seen.add(id);
    if (isCharacter(found.node)) return found.node.mode === BYPASSED ? [] : [found];
    return inputsFor(found.node, HANDED_ON).flatMap((input) => charactersAt(found, input, seen));
  });
}

/** Where a character's name is typed. @param {GraphNode} node */
export const nameWidget = (node) => node.widgets?.find((/** @type {any} */ widget) => widget.name === "name");

/**
 * A character's name as the server will get it; undefined where only a run can tell.
 * @param {Place} place @returns {string | undefined}
 */
export const nameOf = (place) => asName(valueOf(place, "name"));

/** Whether something else than the node's own widget says a value. @param {GraphNode} node @param {string} [name] */
export const isDriven = (node, name = "name") => linkInto(node, inputNamed(node, name)) !== undefined;

/** The server takes blanks away, too. @param {unknown} value */
const asName = (value) => (typeof value === "string" ? value.trim() : undefined);

/**
 * What a widget's value will be: its own, or that of the primitive or of the subgraph's widget that drives it; undefined
 * where only a run can tell.
 * @param {Place} place @param {string} name @returns {unknown}
 */
export function valueOf({ node, path }, name) {
  const slot = inputNamed(node, name);
  if (linkInto(node, slot)) return drivenBy(node, slot, path);
  return node.widgets?.find((/** @type {any} */ widget) => widget.name === name)?.value;
}

/** @param {GraphNode} node @param {string} name @returns {number} -1 for none */
const inputNamed = (node, name) =>
  (node.inputs ?? []).findIndex((/** @type {any} */ input) => input.name === name);

/** @param {GraphNode} node @param {number} slot @param {GraphNode[]} path @returns {unknown} */
function drivenBy(node, slot, path) {
  const around = path.at(-1);
  const outer = around ? outerInput(node, slot, around) : undefined;
  if (around && outer) return valueOf({ node: around, path: path.slice(0, -1) }, outer);
  const [origin] = origins(node, slot, path);
  if (!origin) return undefined;
  if (typeOf(origin.node) === "Reroute") return drivenBy(origin.node, 0, origin.path);
  return PRIMITIVES.has(typeOf(origin.node)) ? origin.node.widgets?.[0]?.value : undefined;
}

/**
 * The name of the input of the subgraph's node that feeds an input inside of it.
 * @param {GraphNode} node @param {number} slot @param {GraphNode} around
 */
function outerInput(node, slot, around) {
  const link = linkInto(node, slot);
  return link && Number(link.origin_id) === SUBGRAPH_INPUT ? around.inputs?.[link.origin_slot]?.name : undefined;
}

/**
 * Characters that share their name with another one of their cast, or come into it twice. A socket counts where it is
 * certain who comes: of two sides of a switch one runs.
 * @param {Graph} root @returns {Set<GraphNode>}
 */
export function namesakes(root) {
  /** @type {Set<GraphNode>} */
  const found = new Set();
  for (const { sockets } of castsOf(root)) {
    /** @type {Map<string, Place[][]>} */
    const named = new Map();
    for (const characters of sockets) {
      const [name, ...others] = new Set(characters.map(nameOf));
      if (name && !others.length) named.set(name, [...(named.get(name) ?? []), characters]);
    }
    for (const same of named.values())
      if (same.length > 1) for (const { node } of same.flat()) found.add(node);
  }
  return found;
}
