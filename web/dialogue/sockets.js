// @ts-check
/** The outputs of InterAct Dialogue: one for each lane, under its name, behind those that every dialogue has. */

/** @typedef {import("./model.js").Lane} Lane */
/** @typedef {import("../graph_walk.js").GraphNode} GraphNode */
/** @typedef {{target: any, slot: number}} End of a link */

export const FIRST = 3; // audio, length and fps stand before the voices
const OUTPUT = 2; // LiteGraph's NodeSlotType
const TYPE = "AUDIO,AUDIO_ENCODER_OUTPUT";
const MOST = FIRST + 16;

/**
 * Has the sockets of lanes that are not known yet: of a graph in API form links are made before values are set.
 * @param {GraphNode} node
 */
export function growForLinks(node) {
  const { connect } = node;
  node.connect = function (/** @type {any} */ slot, /** @type {any[]} */ ...end) {
    while (typeof slot === "number" && slot < MOST && this.outputs.length <= slot)
      this.addOutput(`voice_${this.outputs.length - FIRST + 1}`, TYPE);
    return connect.call(this, slot, ...end);
  };
}

/** Ids of the lanes that a node's sockets stand for. @type {WeakMap<GraphNode, number[]>} */
const shown = new WeakMap();

/**
 * As many sockets as lanes. The socket of a lane that has gone goes with its links; those behind it keep theirs, and
 * those of lanes that have changed places go with them.
 * @param {GraphNode} node @param {Lane[]} lanes
 */
export function keepLanes(node, lanes) {
  const ids = lanes.map(({ id }) => id);
  const before = shown.get(node) ?? [];
  const edited = before.length === node.outputs.length - FIRST && before.some((id) => ids.includes(id));
  const moved = edited && before.length === ids.length && before.every((id) => ids.includes(id)) && before.join() !== ids.join();
  const links = moved ? linksOf(node) : [];
  for (let at = before.length - 1; edited && at >= 0; at--) if (!ids.includes(before[at])) node.removeOutput(FIRST + at);
  while (node.outputs.length > FIRST + ids.length) node.removeOutput(node.outputs.length - 1);
  while (node.outputs.length < FIRST + ids.length) node.addOutput("", TYPE);
  lanes.forEach(({ name }, at) => {
    const output = node.outputs[FIRST + at];
    output.name = `voice_${at + 1}`;
    if (output.label === name) return;
    output.label = name;
    node.outputs[FIRST + at] = new output.constructor(output, node); // Nodes 2.0 draws a socket anew for a new object only
  });
  shown.set(node, ids);
  if (moved) relink(node, ids.map((id) => links[before.indexOf(id)]));
  node.graph?.trigger?.("node:slot-label:changed", { nodeId: node.id, slotType: OUTPUT });
  node.setDirtyCanvas?.(true, true);
}

/** Where the links of each lane end. @param {GraphNode} node @returns {End[][]} */
export const linksOf = (node) =>
  node.outputs.slice(FIRST).map((/** @type {any} */ output) =>
    (output.links ?? []).flatMap((/** @type {any} */ id) => {
      const link = node.graph?.links?.get?.(id) ?? node.graph?.links?.[id];
      return link ? [{ target: link.target_id, slot: link.target_slot }] : [];
    }),
  );

/** Gives the lanes the links that they had. @param {GraphNode} node @param {End[][]} lanes */
export function relink(node, lanes) {
  const now = linksOf(node);
  const changed = lanes.flatMap((ends, at) => (JSON.stringify(ends) === JSON.stringify(now[at]) ? [] : [at]));
  for (const at of changed) if (now[at]?.length) node.disconnectOutput(FIRST + at);
  for (const at of changed)
    for (const { target, slot } of lanes[at]) {
      const other = node.graph?.getNodeById(target);
      if (other) node.connect(FIRST + at, other, slot);
    }
}
