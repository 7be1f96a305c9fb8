"""Graphs of plain objects as LiteGraph has them, for functions that walk them without ComfyUI."""

PLAIN = """
const build = (nodes, outputs = []) => {
  const links = new Map(), graph = { nodes: [], links, getLink: (id) => links.get(id) };
  graph.getNodeById = (id) => graph.nodes.find((node) => String(node.id) === String(id));
  let next = 1;
  const link = (from, to) => {
    links.set(next, { origin_id: from[0], origin_slot: from[1], target_id: to?.[0], target_slot: to?.[1] });
    return next++;
  };
  for (const [id, type, inputs, extra] of nodes) {
    const { inside, ...more } = extra ?? {};
    const node = { id, type, comfyClass: type, graph, mode: 0, ...more };
    node.inputs = inputs.map(([kind, ...from], slot) => {
      const [type, name] = kind.split(":");
      if (from.length) link(from, [id, slot]);
      return { type, name };
    });
    if (inside) node.subgraph = build(...inside);
    graph.nodes.push(node);
  }
  graph.outputs = outputs.map((from) => ({ linkIds: [link(from)] }));
  return graph;
};
"""
"""JS that defines build(nodes, outputs): a node is [id, type, inputs, more], an input [type or type:name, from node,
from slot], of which -10 is the inside of a subgraph's inputs; `more` may hold `inside`, the arguments for a subgraph.
"""
