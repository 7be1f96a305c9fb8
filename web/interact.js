// @ts-check
/** The mask viewer in ComfyUI: puts one into every preview node and brings it the runs of its sampler. */
// @ts-ignore served by ComfyUI
import { app } from "../../scripts/app.js";
// @ts-ignore served by ComfyUI
import { api } from "../../scripts/api.js";
import { executionId, executionIds, places, samplersOf, typeOf } from "./graph_walk.js";
import { VERSION } from "./version.js";
import { Pictures } from "./viewer/pictures.js";
import { Runs } from "./viewer/runs.js";
import { MaskViewer } from "./viewer/viewer.js";

/** @typedef {import("./viewer/run_store.js").RunStore} RunStore */
/** @typedef {import("./viewer/types.js").Manifest} Manifest */

const TYPE = "InterActPreviewMasks";
const OUTPUT = "interact_masks"; // key of a manifest in the node's ui output
const VIEW = "interact_view"; // keys in node.properties: what the viewer remembers,
const PROMPT = "interact_prompt"; // and which prompt's history has its masks
const LEAST_HEIGHT = 452; // the viewer's own least height and its margins
const COMFORTABLE = [440, 640];

const pictures = new Pictures((name) =>
  api.fetchApi(`/view?${new URLSearchParams({ filename: name, type: "temp", subfolder: "" })}`),
);
const runs = new Runs(pictures);
/** Their nodes are LiteGraph's to keep or to drop. @type {WeakMap<object, MaskViewer>} */
const viewers = new WeakMap();

const rootGraph = () => app.rootGraph ?? app.graph;

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
    if (samplersOf(root, node).includes(run.source)) viewer.show(run);
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
  const live = runs.latest(root.id, samplersOf(root, node));
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
    const workflow = await workflowOf(executed.prompt_id);
    if ((workflow !== undefined && workflow !== id) || rootGraph().id !== id) return;
    known?.workflows.add(id);
  }
  for (const place of openViewers()) {
    if (executionId(place) !== String(executed.display_node || executed.node)) continue;
    showManifest(place.node, manifest, { again: false });
    if (executed.prompt_id) place.node.properties[PROMPT] = executed.prompt_id;
  }
  // ComfyUI stores the workflow when it sees a change; it looks for one at the next click, we ask it now.
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  (tracker?.captureCanvasState ?? tracker?.checkState)?.call(tracker);
}

/** The id of the workflow that a prompt was queued from, if the server knows. @param {string} prompt */
async function workflowOf(prompt) {
  try {
    const queue = await (await api.fetchApi("/queue")).json();
    const running = queue.queue_running?.find((/** @type {any[]} */ item) => item[1] === prompt);
    return (running ?? (await historyOf(prompt))?.prompt)?.[3]?.extra_pnginfo?.workflow?.id;
  } catch {
    return undefined;
  }
}

/** @param {string} prompt */
async function historyOf(prompt) {
  return (await (await api.fetchApi(`/history/${encodeURIComponent(prompt)}`)).json())[prompt];
}

/** What a viewer shows when its node appears: a run that this page has seen, else that of its last prompt. */
async function restore(/** @type {any} */ node) {
  const viewer = viewers.get(node);
  const root = rootGraph();
  if (!viewer || viewer.run || node.graph?.rootGraph !== root) return;
  const seen = runs.latest(root.id, samplersOf(root, node));
  if (seen) return viewer.show(seen);
  const prompt = node.properties?.[PROMPT];
  if (typeof prompt !== "string") return;
  try {
    const outputs = (await historyOf(prompt))?.outputs ?? {};
    const ids = executionIds(root, node);
    const manifest = ids.map((id) => outputs[id]?.[OUTPUT]?.[0]).find((found) => found);
    if (manifest) {
      runs.get(manifest.run)?.workflows.add(root.id); // it is in this workflow that the prompt was noted
      showManifest(node, manifest, { again: true });
    } else if (!viewer.run) viewer.say("lost");
  } catch {
    if (!viewer.run) viewer.say("unreachable");
  }
}

function restoreAll() {
  for (const { node } of [...openViewers()]) void restore(node);
}

/** @param {any} node */
function mount(node) {
  const viewer = new MaskViewer({
    remember: (preferences) => {
      node.properties[VIEW] = preferences;
    },
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
  chain(node, "onConfigure", () => viewer.recall(node.properties?.[VIEW]));
}

/**
 * Calls `then` after what a node itself does.
 * @param {any} node @param {string} event @param {(...words: any[]) => void} then
 */
function chain(node, event, then) {
  const own = node[event];
  node[event] = function (/** @type {any[]} */ ...words) {
    const result = own?.apply(this, words);
    then(...words);
    return result;
  };
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
      const { node, path } = place;
      // A locator: the id alone, or behind that of the subgraph that it is defined in.
      const locator = path.length ? `${path.at(-1)?.subgraph.id}:${node.id}` : `${node.id}`;
      const output = outputs?.[locator] ?? outputs?.[executionId(place)];
      showManifest(node, output?.[OUTPUT]?.[0], { again: true });
    }
  },
});
