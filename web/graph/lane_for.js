// @ts-check
/** A voice for a new character where the others speak by an InterAct Dialogue: a lane of it. */
import { SOCKET } from "../characters/casts.js";
import { MOST_LANES, addLane, read, write } from "../dialogue/model.js";
import { FIRST, linksOf } from "../dialogue/sockets.js";
import { linkInto, typeOf } from "../graph_walk.js";
import { inputNamed, widgetNamed } from "./upstream.js";

/** @typedef {import("../graph_walk.js").GraphNode} GraphNode */

/** Whose lanes the characters of an encoder speak; the first, if several. @param {GraphNode} encoder @returns {GraphNode | undefined} */
export function dialogueOf(encoder) {
  const { graph } = encoder;
  const above = (/** @type {GraphNode} */ node, /** @type {number} */ slot) => {
    const link = linkInto(node, slot);
    return link && graph.getNodeById(link.origin_id);
  };
  for (const [slot, { name }] of (encoder.inputs ?? []).entries()) {
    const character = SOCKET.test(name) && above(encoder, slot);
    const voice = character && above(character, inputNamed(character, "speech"));
    if (voice && typeOf(voice) === "InterActDialogue") return voice;
  }
  return undefined;
}

/**
 * The output of a lane that nobody speaks yet, else of one that is added under this name; undefined where no more fit,
 * or where the dialogue cannot be read.
 * @param {GraphNode} dialogue @param {string} name @returns {number | undefined}
 */
export function freeLane(dialogue, name) {
  const unspoken = linksOf(dialogue).findIndex((ends) => !ends.length);
  if (unspoken >= 0) return FIRST + unspoken;
  const value = widgetNamed(dialogue, "dialogue");
  const lanes = read(String(value?.value ?? "") || write({ lanes: linksOf(dialogue).map(unnamed) }));
  if (!lanes || lanes.lanes.length >= MOST_LANES) return undefined;
  value.value = write(addLane(lanes, name));
  value.callback?.(value.value); // the timeline shows it, and has a socket for it
  return FIRST + lanes.lanes.length;
}

/** A lane of a timeline that nothing was done on. @param {unknown} _ @param {number} at */
const unnamed = (_, at) => ({ id: 0, name: `Character ${at + 1}`, gain: 1, mute: false, clips: [] });
