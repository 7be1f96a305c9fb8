// @ts-check
/** The dialogue timeline in ComfyUI: one in every InterAct Dialogue, with a socket for each of its lanes. */
// @ts-ignore served by ComfyUI
import { app } from "../../scripts/app.js";
// @ts-ignore served by ComfyUI
import { api } from "../../scripts/api.js";
import { chain } from "./chain.js";
import { DialogueEditor } from "./dialogue/editor.js";
import { keepLanes, linksOf, relink } from "./dialogue/sockets.js";
import { typeOf } from "./graph_walk.js";

const TYPE = "InterActDialogue";
const VALUE = "dialogue"; // the widget that keeps the JSON
const FOLDER = "dialogue"; // below ComfyUI's input folder
const LEAST_HEIGHT = 312; // the timeline's own least height and its margins
const COMFORTABLE = [720, 540];

/** Their nodes are LiteGraph's to keep or to drop. @type {WeakMap<object, DialogueEditor>} */
const editors = new WeakMap();

/** @param {any} node @param {string} name */
const widgetOf = (node, name) => node.widgets?.find((/** @type {any} */ widget) => widget.name === name);

/** @param {string} file such as "dialogue/mira.wav [input]" @returns {Promise<ArrayBuffer>} */
async function fetchFile(file) {
  const plain = file.replace(/ \[input\]$/, "");
  const cut = plain.lastIndexOf("/");
  const query = { filename: plain.slice(cut + 1), type: "input", subfolder: cut < 0 ? "" : plain.slice(0, cut) };
  const answer = await api.fetchApi(`/view?${new URLSearchParams(query)}`);
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  return answer.arrayBuffer();
}

/** As ComfyUI's own nodes do it; a file of the same name and content is not written again. @param {File} file */
async function upload(file) {
  const form = new FormData();
  form.append("image", file); // what the route calls any file
  form.append("type", "input");
  form.append("subfolder", FOLDER);
  const answer = await api.fetchApi("/upload/image", { method: "POST", body: form });
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  const { name, subfolder } = await answer.json();
  return subfolder ? `${subfolder}/${name}` : name;
}

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
  /** @type {number | undefined} */
  let noting;
  let written = "";
  const editor = new DialogueEditor({
    fetchFile,
    upload,
    locale: app.extensionManager?.setting?.get("Comfy.Locale") || "en",
    film: () => ({ fps: Number(widgetOf(node, "fps")?.value), length: Number(widgetOf(node, "length")?.value) }),
    links: () => linksOf(node),
    relink: (links) => relink(node, links),
    changed: (text, dialogue) => {
      written = text;
      value.value = text;
      keepLanes(node, dialogue.lanes);
      clearTimeout(noting);
      noting = window.setTimeout(noteChange, 300); // once for a drag
    },
  });
  editors.set(node, editor);
  const widget = node.addDOMWidget("timeline", "interact_timeline", editor.element, {
    serialize: false, // not part of the prompt
    hideOnZoom: false,
    getMinHeight: () => LEAST_HEIGHT,
    margin: 6,
  });
  widget.serialize = false; // not part of widgets_values either, which only works for the last widget
  const show = () => keepLanes(node, editor.load(String(value.value ?? "")).lanes);
  show();
  node.setSize(COMFORTABLE.map((least, axis) => Math.max(least, node.size[axis])));
  for (const name of ["fps", "length"]) if (widgetOf(node, name)) chain(widgetOf(node, name), "callback", () => editor.requestDraw());
  chain(value, "callback", (text) => text !== written && show()); // a graph in API form sets values one by one
  chain(node, "onConfigure", show);
  chain(node, "onRemoved", () => {
    editor.destroy();
    editors.delete(node);
  });
}

app.registerExtension({
  name: "interacthuman.Dialogue",

  /** @param {any} node */
  nodeCreated(node) {
    if (typeOf(node) === TYPE) mount(node);
  },
});
