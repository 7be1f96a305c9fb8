// @ts-check
/** The picture of people in ComfyUI: one in every InterAct People. */
// @ts-ignore served by ComfyUI
import { app } from "../../scripts/app.js";
// @ts-ignore served by ComfyUI
import { api } from "../../scripts/api.js";
import { chain } from "./chain.js";
import { executionId, executionIds, places, storedOutput, typeOf } from "./graph_walk.js";
import { PastRuns } from "./past_runs.js";
import { PeopleEditor } from "./people/editor.js";
import { Prompts } from "./prompts.js";

/** @typedef {import("./people/model.js").View} View */

const TYPE = "InterActPeople";
const VALUE = "people"; // the widget that keeps the JSON
const OUTPUT = "interact_people"; // key of the view in the node's ui output
const LEAST_HEIGHT = 312; // the picture's own least height and its margins
const COMFORTABLE = [460, 640];

const STEP = 16; // pixels, as interact_core/host/encode/cast_encoding.py: nearest_size

const prompts = new Prompts((path) => api.fetchApi(path));
const past = new PastRuns(prompts, localStorage);
/** Their nodes are LiteGraph's to keep or to drop. @type {WeakMap<object, PeopleEditor>} */
const editors = new WeakMap();

const rootGraph = () => app.rootGraph ?? app.graph;
/** @param {any} node @param {string} name */
const widgetOf = (node, name) => node.widgets?.find((/** @type {any} */ widget) => widget.name === name);

/** @param {any} output of a node, as ComfyUI hands it on @returns {View | undefined} */
const viewOf = (output) => output?.[OUTPUT]?.flat()[0];

/** @param {View["picture"]} picture */
const addressOf = (picture) => api.apiURL(`/view?${new URLSearchParams({ ...picture })}`);

/** Tells ComfyUI that the workflow has changed, for its own undo. */
function noteChange() {
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
  if (tracker?.captureCanvasState) tracker.captureCanvasState();
  else tracker?.checkState?.();
}

/** @param {any} node */
function mount(node) {
  const value = widgetOf(node, VALUE);
  if (!value) return;
  value.hidden = true;
  (value.options ??= {}).hidden = true; // in place: Nodes 2.0 has already taken the object
  let written = "";
  const editor = new PeopleEditor({
    addressOf,
    find: () => app.queuePrompt(0, 1, executionIds(rootGraph(), node).slice(0, 1)),
    changed: (text) => {
      written = text;
      value.value = text;
      noteChange();
    },
  });
  editors.set(node, editor);
  const widget = node.addDOMWidget("picture", "interact_people", editor.element, {
    serialize: false, // not part of the prompt
    hideOnZoom: false,
    getMinHeight: () => LEAST_HEIGHT,
    margin: 6,
  });
  widget.serialize = false; // not part of widgets_values either, which only works for the last widget
  const load = () => editor.load(String(value.value ?? ""));
  load();
  node.setSize(COMFORTABLE.map((least, axis) => Math.max(least, node.size[axis])));
  for (const name of ["width", "height"]) if (widgetOf(node, name)) chain(widgetOf(node, name), "callback", () => editor.outdate());
  chain(value, "callback", (text) => text !== written && load()); // a graph in API form sets values one by one
  chain(node, "onConfigure", load);
  chain(node, "onRemoved", () => {
    editor.destroy();
    editors.delete(node);
  });
}

/** @param {any} node @param {View} view @returns whether it is of the size that the node is set to */
const fits = (node, view) =>
  ["width", "height"].every((name, axis) => {
    const side = Number(widgetOf(node, name)?.value);
    return Math.max(1, Math.round(side / STEP)) * STEP === view.video[axis];
  });

/**
 * A run has found the people; of which workflow it is, the server has to be asked.
 * @param {any} executed ComfyUI's event, also sent for a node that comes from the cache
 */
async function take(executed) {
  const view = viewOf(executed?.output);
  if (!view) return;
  const root = rootGraph();
  const workflow = (await prompts.workflowOf(executed.prompt_id)) ?? root.id;
  if (rootGraph().id !== workflow) return; // restored when its tab comes to the front
  const source = String(executed.display_node || executed.node);
  for (const place of places(rootGraph())) if (executionId(place) === source) editors.get(place.node)?.show(view, !fits(place.node, view));
}

/** After the page was reloaded: what the newest run of this workflow has found. */
async function restore() {
  const root = rootGraph();
  for (const { node } of places(root)) {
    const editor = editors.get(node);
    if (!editor || editor.view) continue;
    const found = await past.find(root.serialize(), executionIds(root, node), OUTPUT);
    const view = viewOf({ [OUTPUT]: [found?.manifest] });
    if (rootGraph() !== root || editor.view || !view) continue;
    // Names and numbers are the node's own to change; the people are found by what comes to it.
    const others = (found?.changed ?? []).filter((id) => !executionIds(root, node).includes(id));
    editor.show(view, others.length > 0 || !fits(node, view));
  }
}

app.registerExtension({
  name: "interacthuman.People",

  setup() {
    api.addEventListener("executed", (/** @type {CustomEvent} */ { detail }) => void take(detail));
  },

  /** @param {any} node */
  nodeCreated(node) {
    if (typeOf(node) === TYPE) mount(node);
  },

  /** A workflow was opened, or its tab came to the front. */
  async afterConfigureGraph() {
    restore().catch((error) => console.warn("interact: the people of an earlier run could not be shown", error));
  },

  /** ComfyUI hands out stored outputs: a tab came to the front, or a run was loaded from the history. */
  onNodeOutputsUpdated(/** @type {Record<string, any>} */ outputs) {
    for (const place of places(rootGraph())) {
      const view = viewOf(storedOutput(outputs, place));
      if (view) editors.get(place.node)?.show(view, !fits(place.node, view));
    }
  },
});
