// @ts-check
/** The mask viewer in ComfyUI: puts one into every preview node and brings it the runs of its sampler. */
// @ts-ignore served by ComfyUI
import { app } from "../../scripts/app.js";
// @ts-ignore served by ComfyUI
import { api } from "../../scripts/api.js";
import { chain } from "./chain.js";
import { changedAbove, idsAbove } from "./graph_changes.js";
import {
  SAMPLERS,
  alsoMoved,
  executionId,
  executionIds,
  places,
  samplersOf,
  storedOutput,
  typeOf,
} from "./graph_walk.js";
import { putNextSeed, seedWidget } from "./next_seed.js";
import { PastRuns } from "./past_runs.js";
import { Prompts } from "./prompts.js";
import { VERSION } from "./version.js";
import { Pictures } from "./viewer/pictures.js";
import { Runs } from "./viewer/runs.js";
import { MaskViewer } from "./viewer/viewer.js";

/** @typedef {import("./viewer/run_store.js").RunStore} RunStore */
/** @typedef {import("./viewer/types.js").Manifest} Manifest */

const TYPE = "InterActPreviewMasks";
const OUTPUT = "interact_masks"; // key of a manifest in the node's ui output
const VIEW = "interact_view"; // key in node.properties: what the viewer remembers
const LEAST_HEIGHT = 452; // the viewer's own least height and its margins
const COMFORTABLE = [440, 640];

const pictures = new Pictures((name) =>
  api.fetchApi(`/view?${new URLSearchParams({ filename: name, type: "temp", subfolder: "" })}`),
);
const runs = new Runs(pictures);
const prompts = new Prompts((path) => api.fetchApi(path));
const past = new PastRuns(prompts, localStorage);
/** Their nodes are LiteGraph's to keep or to drop. @type {WeakMap<object, MaskViewer>} */
const viewers = new WeakMap();

/** What a viewer's run was looked for by: where it stands and who samples for it. @type {WeakMap<object, string>} */
const lookedFor = new WeakMap();

const rootGraph = () => app.rootGraph ?? app.graph;

/** Execution ids of the nodes that sample for a viewer, also of where they have stood. @param {any} root @param {any} node */
const sourcesOf = (root, node) => alsoMoved(root, samplersOf(root, node), runs.sourcesIn(root.id));

/** The viewers of the workflow that is open. */
function* openViewers() {
  for (const place of places(rootGraph())) {
    const viewer = viewers.get(place.node);
    if (viewer) yield { ...place, viewer };
  }
}

/** Shows a run in the viewers whose masks come from its sampler. @param {RunStore | undefined} run */
function route(run) {
  const root = rootGraph();
  if (!run?.workflows.has(root?.id)) return;
  for (const { node, viewer } of openViewers())
    if (sourcesOf(root, node).includes(run.source)) viewer.show(run);
}

/**
 * Shows what a preview node put out. What ComfyUI hands out again for a tab may be older than what was seen
 * live since, and may be of another workflow: it goes by the node's id alone.
 * @param {any} node @param {Manifest | undefined} manifest @param {{again: boolean}} how
 */
function showManifest(node, manifest, { again }) {
  const viewer = viewers.get(node);
  if (!viewer || !manifest) return;
  const root = rootGraph();
  const known = runs.get(manifest.run);
  if (known?.workflows.size && !known.workflows.has(root.id)) return;
  const run = runs.takeManifest(manifest);
  if (!run) return viewer.say("versions");
  const live = runs.latest(root.id, sourcesOf(root, node));
  const newer = live && live !== run && (known ? runs.isLater(live, run) : live.state === "sampling");
  viewer.show(again && newer ? live : run);
}

/**
 * A preview node has run, in this workflow or in one whose tab is not open. Its run may have been sampled for
 * yet another workflow, and be here from ComfyUI's cache.
 * @param {any} executed ComfyUI's event
 */
async function takeOutput(executed) {
  const manifest = executed?.output?.[OUTPUT]?.[0];
  if (!manifest) return;
  const { id } = rootGraph();
  const known = runs.get(manifest.run);
  if (!known?.workflows.has(id)) {
    if (known?.workflows.size) runs.takeManifest(manifest); // for when its own tab is opened again
    const workflow = await prompts.workflowOf(executed.prompt_id);
    if ((workflow !== undefined && workflow !== id) || rootGraph().id !== id) return;
    known?.workflows.add(id);
  }
  for (const place of openViewers()) {
    if (executionId(place) !== String(executed.display_node || executed.node)) continue;
    showManifest(place.node, manifest, { again: false });
    past.remember(id);
  }
}

/**
 * What a viewer shows when its node appears: a run that this page has seen or the server remembers, of this graph if
 * there is one. A file that is opened may be of an older run than the last one of its workflow.
 * @param {any} node
 */
async function restore(node) {
  const viewer = viewers.get(node);
  const root = rootGraph();
  if (!viewer || viewer.run || node.graph?.rootGraph !== root) return;
  const { id } = root;
  const sources = sourcesOf(root, node);
  lookedFor.set(node, keyOf(root, node));
  const seen = runs.latest(id, sources);
  if (seen) viewer.show(seen);
  const isCurrent = () => rootGraph().id === id && viewers.has(node) && viewer.run === seen;
  try {
    const now = root.serialize();
    const ids = executionIds(root, node);
    if (seen?.state === "sampling" && (await isRunning(now, ids))) return;
    const found = await past.find(now, ids, OUTPUT, (entry) => shownByAnother(entry, sources));
    if (!isCurrent()) return;
    const run = found && runs.takeManifest(found.manifest);
    if (run) {
      run.workflows.add(id); // the server says that it was queued from this workflow
      viewer.show(run);
      viewer.remark(titlesOf(found.changed));
    } else if (!seen) {
      if (found) viewer.say("versions");
      else if (past.hasRun(id)) viewer.say("lost");
    }
  } catch {
    if (isCurrent() && !seen) viewer.say("unreachable");
  }
}

/**
 * What another viewer showed of the same sampler: of one sampler, or it may have been another's.
 * @param {import("./past_runs.js").Entry} entry @param {string[]} sources
 */
function shownByAnother({ workflow, outputs }, sources) {
  for (const [shower, output] of Object.entries(outputs)) {
    if (!output?.[OUTPUT]) continue;
    const [meant, ...more] = idsAbove(workflow, shower, SAMPLERS);
    if (meant !== undefined && !more.length && sources.includes(meant)) return { shower, meant };
  }
  return undefined;
}

/** @param {any} root @param {any} node */
const keyOf = (root, node) => [root.id, ...executionIds(root, node), "of", ...samplersOf(root, node)].join(" ");

/** The graph has changed: a viewer that was added, pasted, wired or moved finds its run. */
function findRuns() {
  const root = rootGraph();
  for (const { node, viewer } of [...openViewers()]) {
    if (lookedFor.get(node) === keyOf(root, node)) continue;
    lookedFor.set(node, keyOf(root, node));
    const sources = sourcesOf(root, node);
    if (!sources.length) continue;
    if (viewer.run?.source && !sources.includes(viewer.run.source)) viewer.show(undefined); // another's now
    void restore(node);
  }
}

/**
 * Whether what runs now is what the graph says, as far as the node with these execution ids hears of it.
 * @param {any} now the graph in UI form @param {string[]} ids
 */
async function isRunning(now, ids) {
  const queued = await past.running(now.id);
  return !queued || ids.some((id) => !changedAbove(queued, now, id).length);
}

/** @param {string[]} ids execution ids @returns {string[]} */
function titlesOf(ids) {
  const all = [...places(rootGraph())];
  const titles = ids.flatMap((id) => all.find((place) => executionId(place) === id)?.node.title ?? []);
  return [...new Set(titles)];
}

function restoreAll() {
  for (const { node } of [...openViewers()]) void restore(node);
}

/**
 * Queues the graph with the next seed, before whatever else waits.
 * @param {any} node of the viewer @param {RunStore} run
 */
async function runAgain(node, run) {
  const widget = seedWidget(rootGraph(), node, run.source);
  if (!widget) return false;
  putNextSeed(widget, run.scene.seed);
  await app.queuePrompt(-1, 1);
  return true;
}

/** @param {any} node */
function mount(node) {
  const viewer = new MaskViewer({
    remember: (preferences) => {
      node.properties[VIEW] = preferences;
    },
    stop: (run) => api.interrupt(run.prompt || null),
    next: (run) => runAgain(node, run),
  });
  viewers.set(node, viewer);
  const widget = node.addDOMWidget("viewer", "interact_viewer", viewer.element, {
    serialize: false, // not part of the prompt
    hideOnZoom: false,
    getMinHeight: () => LEAST_HEIGHT,
    margin: 6,
  });
  widget.serialize = false; // not part of widgets_values either, which only works for the last widget
  node.setSize(COMFORTABLE.map((least, axis) => Math.max(least, node.size[axis])));
  chain(node, "onRemoved", () => {
    viewer.destroy();
    viewers.delete(node);
  });
  chain(node, "onConnectionsChange", () => setTimeout(findRuns));
  chain(node, "onConfigure", () => viewer.recall(node.properties?.[VIEW]));
}

/** The viewers that a command means: those that are selected, else the only one there is. */
function chosenViewers() {
  const all = [...openViewers()];
  const selected = Object.values(app.canvas?.selected_nodes ?? {});
  const chosen = all.filter(({ node }) => selected.includes(node));
  if (chosen.length || all.length === 1) return (chosen.length ? chosen : all).map(({ viewer }) => viewer);
  app.extensionManager?.toast?.add({
    severity: "info",
    summary: "InterAct",
    detail: all.length ? "Select a mask viewer first." : "There is no mask viewer in this workflow.",
    life: 4000,
  });
  return [];
}

/** @param {string} id @param {string} label @param {string} image @param {(viewer: MaskViewer) => void} act */
const command = (id, label, image, act) => ({
  id: `InterAct.${id}`,
  label: `InterAct: ${label}`,
  icon: `pi ${image}`,
  function: () => chosenViewers().forEach(act),
});

app.registerExtension({
  name: "interacthuman.MaskViewer",
  aboutPageBadges: [
    { label: `InterActHuman ${VERSION}`, url: "https://arxiv.org/abs/2506.09984", icon: "pi pi-users" },
  ],
  commands: [
    command(
      "SavePicture",
      "save masks of the selected viewer as picture",
      "pi-image",
      (viewer) => void viewer.save("picture"),
    ),
    command(
      "SaveVideo",
      "save masks of the selected viewer as video",
      "pi-video",
      (viewer) => void viewer.save("video"),
    ),
    command(
      "SaveSheet",
      "save contact sheet of the selected viewer",
      "pi-table",
      (viewer) => void viewer.save("sheet"),
    ),
    command("PlayPause", "play or pause the selected viewer", "pi-play", (viewer) =>
      viewer.play(!viewer.playing),
    ),
  ],

  setup() {
    api.addEventListener("interact.step", (/** @type {CustomEvent} */ { detail }) =>
      route(runs.takeStep(detail)),
    );
    api.addEventListener("interact.end", (/** @type {CustomEvent} */ { detail }) => runs.takeEnd(detail));
    // And not by the node's onExecuted, which is not told the prompt.
    api.addEventListener("executed", (/** @type {CustomEvent} */ { detail }) => void takeOutput(detail));
    api.addEventListener("graphChanged", findRuns);
    api.addEventListener("execution_success", restoreAll); // its history was not there while it ran
  },

  /** @param {any} node */
  nodeCreated(node) {
    if (typeOf(node) === TYPE) mount(node);
  },

  /** A workflow was opened, or its tab came to the front. */
  async afterConfigureGraph() {
    restoreAll();
  },

  /** ComfyUI hands out stored outputs: a tab came to the front, or a run was loaded from the history. */
  onNodeOutputsUpdated(/** @type {Record<string, any>} */ outputs) {
    for (const place of openViewers()) {
      const output = storedOutput(outputs, place);
      showManifest(place.node, output?.[OUTPUT]?.[0], { again: true });
    }
  },
});
