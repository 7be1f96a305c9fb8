// @ts-check
/** The dialogue timeline in ComfyUI: one in every InterAct Dialogue, with a socket for each of its lanes. */
// @ts-ignore served by ComfyUI
import { app } from "../../scripts/app.js";
// @ts-ignore served by ComfyUI
import { api } from "../../scripts/api.js";
import { chain } from "./chain.js";
import { valueOf } from "./characters/casts.js";
import { lanePlaces } from "./characters/colours.js";
import { DialogueEditor } from "./dialogue/editor.js";
import { growForLinks, keepLanes, linksOf, relink } from "./dialogue/sockets.js";
import { words } from "./dialogue/words.js";
import { places, typeOf } from "./graph_walk.js";
import { characterColours } from "./viewer/palette.js";

const TYPE = "InterActDialogue";
const VALUE = "dialogue"; // the widget that keeps the JSON
const FOLDER = "dialogue"; // below ComfyUI's input folder
const LEAST_HEIGHT = 312; // the timeline's own least height and its margins
const COMFORTABLE = [720, 540];

/** Their nodes are LiteGraph's to keep or to drop. @type {WeakMap<object, DialogueEditor>} */
const editors = new WeakMap();

const rootGraph = () => app.rootGraph ?? app.graph;

/** @param {any} node @param {string} name */
const widgetOf = (node, name) => node.widgets?.find((/** @type {any} */ widget) => widget.name === name);

/** @param {string} file such as "dialogue/mira.wav [input]", or "mira.wav [example]" of this pack @returns {Promise<ArrayBuffer>} */
async function fetchFile(file) {
  const [, example] = /^(\w+\.wav) \[example\]$/.exec(file) ?? [];
  if (example) return bodyOf(await fetch(new URL(`./examples/${example}`, import.meta.url)));
  const plain = file.replace(/ \[input\]$/, "");
  const cut = plain.lastIndexOf("/");
  const query = { filename: plain.slice(cut + 1), type: "input", subfolder: cut < 0 ? "" : plain.slice(0, cut) };
  return bodyOf(await api.fetchApi(`/view?${new URLSearchParams(query)}`));
}

/** @param {Response} answer */
function bodyOf(answer) {
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

/** @param {number} place */
const colourAt = (place) => characterColours(place + 1)[place];

/** The frames of a film as far as the graph tells, through primitives, reroutes and subgraphs. @param {any} node */
function filmOf(node) {
  const place = [...places(rootGraph())].find((one) => one.node === node) ?? { node, path: [] };
  const [fps, length] = ["fps", "length"].map((name) => valueOf(place, name));
  const guessed = typeof fps !== "number" || typeof length !== "number";
  return { fps: Number(fps ?? widgetOf(node, "fps")?.value), length: Number(length ?? 0), guessed };
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
  let film = { fps: 25, length: 0, guessed: false };
  /** Of each lane the place in its cast of the character that speaks it. @type {(number | undefined)[]} */
  let owners = [];
  const look = () => {
    film = filmOf(node);
    owners = lanePlaces(rootGraph(), linksOf(node).map((ends) => ends.map(({ target }) => target)), node.graph);
    editor.requestDraw();
  };
  const editor = new DialogueEditor({
    fetchFile,
    upload,
    film: () => film,
    colours: (count) => Array.from({ length: count }, (_, lane) => colourAt(owners[lane] ?? lane)),
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
  for (const name of ["fps", "length"]) if (widgetOf(node, name)) chain(widgetOf(node, name), "callback", look);
  chain(value, "callback", (text) => text !== written && show()); // a graph in API form sets values one by one
  chain(node, "onConfigure", show);
  growForLinks(node);
  // After the frontend's own, which moves links about, too.
  const lookSoon = () => setTimeout(() => node.graph && look());
  chain(node, "onConfigure", lookSoon);
  chain(node, "onConnectionsChange", lookSoon);
  api.addEventListener("graphChanged", lookSoon);
  lookSoon();
  const unlisten = words.onLanguage(() => !value.value && show()); // lanes that are not written down yet
  chain(node, "onRemoved", () => {
    unlisten();
    api.removeEventListener("graphChanged", lookSoon);
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
