// @ts-check
/**
 * Whether a workflow still says what it said when it was run, as far as one node hears of it: both as ComfyUI saves
 * them, compared by what nodes are told (widgets, links, muted or not), not by where they stand.
 */

/** @typedef {any} Saved a workflow in UI form, or one of its definitions.subgraphs */
/** @typedef {{graph: Saved, path: any[], node: any}} Spot a saved node and the nodes of the subgraphs around it */

const SUBGRAPH_INPUT = -10;

/**
 * Execution ids of the nodes above a node, itself among them, that were told something else before or were not there.
 * @param {Saved} before @param {Saved} now @param {string} id the node's execution id, as "5:1" @returns {string[]}
 */
export function changedAbove(before, now, id) {
  const start = spotOf(now, id);
  return [...(start ? above(now, start) : [])]
    .filter(([other, spot]) => told(spotOf(before, other)) !== told(spot))
    .map(([other]) => other);
}

/**
 * Execution ids of the nodes of some types above a saved node.
 * @param {Saved} workflow @param {string} id @param {Set<string>} types @returns {string[]}
 */
export function idsAbove(workflow, id, types) {
  const start = spotOf(workflow, id);
  const all = start ? [...above(workflow, start)] : [];
  return all.filter(([, { node }]) => types.has(node.type)).map(([other]) => other);
}

/** @param {Saved} workflow @param {string} id @returns {Spot | undefined} */
function spotOf(workflow, id) {
  let graph = workflow;
  /** @type {any[]} */
  const path = [];
  for (const [depth, part] of id.split(":").entries()) {
    if (depth) graph = insideOf(workflow, path.at(-1));
    const node = nodeOf(graph, part);
    if (!node) return undefined;
    path.push(node);
  }
  return { graph, path: path.slice(0, -1), node: path.at(-1) };
}

/** @param {Saved} workflow @param {any} node @returns {Saved} */
const insideOf = (workflow, node) =>
  workflow.definitions?.subgraphs?.find((/** @type {any} */ one) => one.id === node?.type);

/** @param {Saved} graph @param {any} id */
const nodeOf = (graph, id) => graph?.nodes?.find((/** @type {any} */ node) => String(node.id) === String(id));

/** @param {Saved} workflow @param {Spot} start @returns {Map<string, Spot>} by execution id */
function above(workflow, start) {
  /** @type {Map<string, Spot>} */
  const seen = new Map();
  const left = [start];
  for (let spot = left.pop(); spot; spot = left.pop()) {
    const id = [...spot.path, spot.node].map((node) => node.id).join(":");
    if (seen.has(id)) continue;
    seen.set(id, spot);
    for (const link of linksInto(spot)) left.push(...behind(workflow, spot, link));
  }
  return seen;
}

/** @param {Saved} workflow @param {Spot} spot @param {Link} link @returns {Spot[]} */
function behind(workflow, { graph, path }, link) {
  if (Number(link.from) === SUBGRAPH_INPUT) {
    const around = spotOf(workflow, path.map((node) => node.id).join(":"));
    return around ? [around] : [];
  }
  const node = nodeOf(graph, link.from);
  if (!node) return [];
  const inside = insideOf(workflow, node);
  const output = inside?.outputs?.[link.slot]?.linkIds?.[0];
  const inner = inside && nodeOf(inside, linkOf(inside, output)?.from);
  const within = inner ? [{ graph: inside, path: [...path, node], node: inner }] : [];
  return [{ graph, path, node }, ...within];
}

/** @typedef {{from: any, slot: number}} Link the node that it comes from, and which of its outputs */

/** A link has two forms: of a workflow, and of a subgraph. @param {Saved} graph @param {any} id @returns {Link | undefined} */
function linkOf(graph, id) {
  for (const link of graph.links ?? []) {
    if (Array.isArray(link) ? link[0] !== id : link.id !== id) continue;
    return Array.isArray(link)
      ? { from: link[1], slot: link[2] }
      : { from: link.origin_id, slot: link.origin_slot };
  }
  return undefined;
}

/** @param {Spot} spot @returns {(Link & {input: string})[]} */
function linksInto({ graph, node }) {
  /** @type {any[]} */
  const inputs = node.inputs ?? [];
  return inputs.flatMap(({ name, link: id }) => {
    const link = id === null || id === undefined ? undefined : linkOf(graph, id);
    return link ? [{ input: name, ...link }] : [];
  });
}

/** What a node is told, to be compared. @param {Spot | undefined} spot */
function told(spot) {
  if (!spot) return undefined;
  const links = linksInto(spot).map(({ input, from, slot }) => [input, String(from), slot]);
  return JSON.stringify([spot.node.type, spot.node.mode ?? 0, spot.node.widgets_values ?? null, links.sort()]);
}
