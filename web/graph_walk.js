// @ts-check
/**
 * From a viewer's node up to the node that samples for it, through reroutes, subgraphs and whatever else hands
 * masks on. Works on LiteGraph's objects without importing them; execution ids are paths, as "5:1" for node 1
 * inside the subgraph of node 5.
 */

/** @typedef {any} Graph LiteGraph's LGraph or Subgraph */
/** @typedef {any} GraphNode LiteGraph's LGraphNode or SubgraphNode */
/** @typedef {{node: GraphNode, path: GraphNode[]}} Place a node and the subgraph nodes around it, outermost first */

export const SAMPLERS = new Set(["InterActSampler", "InterActMaskGuidance"]);
const CARRIED = new Set(["INTERACT_MASKS", "INTERACT_MASK_HANDLE", "*"]);
export const SUBGRAPH_INPUT = -10; // the id that LiteGraph gives to the inner side of a subgraph's inputs
export const MUTED = 2;
export const BYPASSED = 4;
const DEEPEST = 32; // subgraphs in subgraphs: a graph that contains itself must not hang the page

/** @param {GraphNode} node */
export const typeOf = (node) => node.comfyClass ?? node.type;

/**
 * All nodes of a graph and of its subgraphs, with the ways to them.
 * @param {Graph} root @returns {Generator<Place>}
 */
export function* places(root, /** @type {GraphNode[]} */ path = []) {
  for (const node of root?.nodes ?? []) {
    yield { node, path };
    if (node.subgraph && path.length < DEEPEST) yield* places(node.subgraph, [...path, node]);
  }
}

/** @param {Place} place */
export function executionId({ node, path }) {
  return [...path, node].map(({ id }) => id).join(":");
}

/** How ComfyUI files a node's outputs: by its id alone, or behind that of the subgraph that defines it. @param {Place} place */
export function locator({ node, path }) {
  return path.length ? `${path.at(-1)?.subgraph.id}:${node.id}` : `${node.id}`;
}

/** What ComfyUI keeps of a node's last run. @param {Record<string, any> | undefined} outputs by locator @param {Place} place */
export function storedOutput(outputs, place) {
  return outputs?.[locator(place)] ?? outputs?.[executionId(place)];
}

/**
 * Execution ids of a node: several where its subgraph is used more than once.
 * @param {Graph} root @param {GraphNode} node
 */
export function executionIds(root, node) {
  return placesOf(root, node).map(executionId);
}

/**
 * Execution ids as they are now and as they may have been, where a node was put into a subgraph or taken out of one:
 * of `earlier`, those that nobody has any more and that end alike.
 * @param {Graph} root @param {string[]} now @param {string[]} earlier
 */
export function alsoMoved(root, now, earlier) {
  const last = (/** @type {string} */ id) => id.split(":").at(-1);
  const ends = new Set(now.map(last));
  const moved = earlier.filter((id) => !now.includes(id) && ends.has(last(id)));
  if (!moved.length) return now;
  const here = new Set([...places(root)].map(executionId));
  return [...now, ...moved.filter((id) => !here.has(id))];
}

/** @param {Graph} root @param {GraphNode} node */
function placesOf(root, node) {
  return [...places(root)].filter((place) => place.node === node);
}

/**
 * Execution ids of the nodes that sample for a viewer: the nearest upstream of its masks.
 * @param {Graph} root @param {GraphNode} viewer
 * @returns {string[]}
 */
export function samplersOf(root, viewer) {
  return [...new Set(placesOf(root, viewer).flatMap(nearestSamplers))];
}

/** @param {Place} start */
function nearestSamplers(start) {
  const seen = new Set();
  let front = [start];
  while (front.length) {
    /** @type {Place[]} */
    const next = [];
    for (const { node, path } of front)
      for (const slot of inputsFor(node, CARRIED)) next.push(...origins(node, slot, path));
    front = next.filter((place) => {
      const id = executionId(place);
      return !seen.has(id) && seen.add(id);
    });
    const found = front.filter(({ node }) => SAMPLERS.has(typeOf(node)) && node.mode !== BYPASSED);
    if (found.length) return found.map(executionId);
  }
  return [];
}

/**
 * The inputs of a node by which something of these types could come.
 * @param {GraphNode} node @param {Set<string>} types "*" is a type, too
 */
export function inputsFor(node, types) {
  /** @type {any[]} */
  const inputs = node.inputs ?? [];
  return inputs.flatMap((input, slot) => {
    const taken = String(input.type ?? "*").split(",");
    return taken.some((type) => types.has(type)) ? [slot] : [];
  });
}

/**
 * The nodes behind an input.
 * @param {GraphNode} node @param {number} slot @param {GraphNode[]} path @returns {Place[]}
 */
export function origins(node, slot, path) {
  const link = linkInto(node, slot);
  return link ? behind(node.graph, link, path) : [];
}

/** @param {Graph} graph @param {any} link @param {GraphNode[]} path @returns {Place[]} */
function behind(graph, link, path) {
  if (Number(link.origin_id) === SUBGRAPH_INPUT) {
    const around = path.at(-1);
    return around ? origins(around, link.origin_slot, path.slice(0, -1)) : [];
  }
  const node = graph.getNodeById(link.origin_id);
  return node ? outputOf(node, link.origin_slot, path) : [];
}

/**
 * What stands at an output of a node: the node, or one that it stands for.
 * @param {GraphNode} node @param {number} slot @param {GraphNode[]} path @returns {Place[]}
 */
function outputOf(node, slot, path) {
  if (node.mode === MUTED || path.length > DEEPEST) return [];
  if (node.subgraph && node.mode !== BYPASSED) {
    const output = node.subgraph.outputs?.[slot];
    const link = linkOf(node.subgraph, output?.linkIds?.[0]);
    return link ? behind(node.subgraph, link, [...path, node]) : [];
  }
  const elsewhere = node.isVirtualNode ? node.resolveVirtualOutput?.(slot) : undefined; // set and get nodes
  return elsewhere ? outputOf(elsewhere.node, elsewhere.slot, path) : [{ node, path }];
}

/**
 * The link that ends in an input. Found by its end: newer frontends warn of `input.link`, and `getInputLink` of
 * a subgraph's node tells of its outputs.
 * @param {GraphNode} node @param {number} slot
 */
export function linkInto(node, slot) {
  const links = node.graph?.links;
  for (const link of links?.values?.() ?? Object.values(links ?? {}))
    if (link && String(link.target_id) === String(node.id) && link.target_slot === slot) return link;
  return undefined;
}

/** @param {Graph} graph @param {any} id */
function linkOf(graph, id) {
  if (id === null || id === undefined || !graph) return undefined;
  return graph.getLink?.(id) ?? graph.links?.get?.(id) ?? graph.links?.[id];
}
