// @ts-check
/** A character for an Encode Characters: its nodes with picture and voice, wired, named, coloured, in a group; where the
 * others speak by an InterAct Dialogue, its voice is a lane of that. */
import { colourCasts, placesInCasts, shades } from "../characters/colours.js";
import { SOCKET, nameWidget } from "../characters/casts.js";
import { linkInto, typeOf } from "../graph_walk.js";
import { dialogueOf, freeLane } from "./lane_for.js";
import { inputNamed, widgetNamed } from "./upstream.js";
import { words } from "./words.js";

/** @typedef {import("../graph_walk.js").GraphNode} GraphNode */

const GAP = 40; // between nodes, in the graph's units
const BAR = 30; // a node's title
const HEAD = 70; // of a group: its title, and that of its first node
const ROOM = 300; // below Character: a run shows its picture there
/** Their places: column, and below which other one. @type {[string, number, string | undefined][]} */
const PARTS = [
  ["LoadImage", 0, undefined],
  ["LoadAudio", 0, "LoadImage"],
  ["InterActEncodeSpeech", 1, undefined],
  ["InterActCharacter", 2, undefined],
];
const SILENT = PARTS.filter(([type]) => type === "LoadImage" || type === "InterActCharacter");
const WIDTHS = [320, 300, 300];

/** The first socket for a character that nothing is connected to, -1 for none. @param {GraphNode} encoder */
export const freeSocket = (encoder) =>
  (encoder.inputs ?? []).findIndex((/** @type {any} */ { name }, /** @type {number} */ slot) => SOCKET.test(name) && !linkInto(encoder, slot));

/**
 * Adds a character to an Encode Characters that has a free socket; one step of undo.
 * @param {any} LiteGraph @param {GraphNode} encoder @returns {GraphNode[]} the new nodes, the character last
 */
export function addCharacter(LiteGraph, encoder) {
  const { graph } = encoder;
  graph.beforeChange?.();
  const [x, y] = placeFor(graph, encoder);
  const dialogue = dialogueOf(encoder);
  const nodes = placed(LiteGraph, graph, dialogue ? SILENT : PARTS, x, y);
  const { LoadImage, InterActCharacter: character } = nodes;
  wire(LoadImage, character, "image");
  character.connect(0, encoder, freeSocket(encoder));
  const name = String(nameWidget(character)?.value ?? "");
  [character.title, LoadImage.title] = [name, words.say("pictureOf", { name })];
  const lane = dialogue && freeLane(dialogue, name);
  if (dialogue && lane !== undefined) dialogue.connect(lane, character, inputNamed(character, "speech"));
  if (!dialogue) withVoice(graph, nodes, name);
  const made = Object.values(nodes);
  graph.add(groupAround(LiteGraph, name, made));
  const place = placesInCasts(graph.rootGraph ?? graph).get(character) ?? 0;
  const { color, bgcolor } = shades(place);
  for (const node of made) Object.assign(node, { color, bgcolor });
  colourCasts(graph.rootGraph ?? graph);
  graph.afterChange?.();
  return made;
}

/**
 * New nodes by type, each at its place.
 * @param {any} LiteGraph @param {any} graph @param {typeof PARTS} parts @param {number} x @param {number} y
 * @returns {Record<string, GraphNode>}
 */
function placed(LiteGraph, graph, parts, x, y) {
  /** @type {Record<string, any>} */
  const nodes = Object.fromEntries(parts.map(([type]) => [type, LiteGraph.createNode(type)]));
  for (const [type, column, above] of parts) {
    const node = nodes[type];
    graph.add(node); // it takes a free name here
    const left = WIDTHS.slice(0, column).reduce((sum, width) => sum + width + GAP, 0);
    node.pos = [x + left, above ? nodes[above].pos[1] + nodes[above].size[1] + GAP + BAR : y];
    node.setSize([WIDTHS[column], Math.max(node.size[1], type === "LoadImage" ? 340 : type === "InterActCharacter" ? ROOM + 160 : 0)]);
  }
  return nodes;
}

/** A recording of its own, encoded as the others are. @param {any} graph @param {Record<string, GraphNode>} nodes @param {string} name */
function withVoice(graph, nodes, name) {
  const { LoadAudio, InterActEncodeSpeech: speech } = nodes;
  wire(LoadAudio, speech, "audio");
  wire(speech, nodes.InterActCharacter, "speech");
  const [from, slot] = audioEncoderOf(graph) ?? [];
  if (from) from.connect(slot, speech, inputNamed(speech, "audio_encoder"));
  [LoadAudio.title, speech.title] = [words.say("voiceOf", { name }), words.say("speechOf", { name })];
}

/** @param {GraphNode} from @param {GraphNode} to @param {string} input */
const wire = (from, to, input) => from.connect(0, to, inputNamed(to, input));

/** Left of the encoder and below everything that stands there. @param {any} graph @param {GraphNode} encoder @returns {[number, number]} */
function placeFor(graph, encoder) {
  const width = WIDTHS.reduce((sum, one) => sum + one + GAP, 0);
  const x = encoder.pos[0] - width - GAP;
  let y = encoder.pos[1];
  const boxes = [
    ...graph.nodes.map((/** @type {any} */ { pos, size }) => [pos[0], pos[1] - BAR, size[0], size[1] + BAR]),
    ...(graph._groups ?? []).map((/** @type {any} */ { pos, size }) => [...pos, ...size]),
  ];
  for (const [left, top, wide, high] of boxes)
    if (left < x + width && left + wide > x - GAP) y = Math.max(y, top + high + GAP + HEAD);
  return [x, y];
}

/** The output that other speech of the graph is encoded with, else the only encoder there is. @param {any} graph @returns {[GraphNode, number] | undefined} */
function audioEncoderOf(graph) {
  for (const node of graph.nodes) {
    const link = linkInto(node, inputNamed(node, "audio_encoder"));
    const from = link && graph.getNodeById(link.origin_id);
    if (from) return [from, link.origin_slot];
  }
  const loaders = graph.nodes.flatMap((/** @type {any} */ node) => {
    const slot = (node.outputs ?? []).findIndex((/** @type {any} */ output) => output.type === "AUDIO_ENCODER");
    return slot < 0 ? [] : [[node, slot]];
  });
  return loaders.length === 1 ? loaders[0] : undefined;
}

/** @param {any} LiteGraph @param {string} title @param {GraphNode[]} nodes */
function groupAround(LiteGraph, title, nodes) {
  const group = new LiteGraph.LGraphGroup(title);
  const [left, top] = [0, 1].map((axis) => Math.min(...nodes.map(({ pos }) => pos[axis])));
  const [right, bottom] = [0, 1].map((axis) => Math.max(...nodes.map(({ pos, size }) => pos[axis] + size[axis])));
  group.pos = [left - GAP / 2, top - HEAD];
  group.size = [right - left + GAP, bottom - top + HEAD + GAP / 2];
  return group;
}

/** The encoders of a graph that a command may mean: those that are selected, else all. @param {any} graph @param {any[]} selected */
export function encodersMeant(graph, selected) {
  const all = graph.nodes.filter((/** @type {any} */ node) => typeOf(node) === "InterActEncodeCharacters");
  const chosen = all.filter((/** @type {any} */ node) => selected.includes(node));
  return chosen.length ? chosen : all;
}

/** Whether a node has a widget for what a model was made for. @param {GraphNode} node */
export const takesAdapter = (node) => widgetNamed(node, "adapter_name") !== undefined;
