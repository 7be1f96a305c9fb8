// @ts-check
/** What nodes say of their runs, under them and in the language of the graph (interact_core/host/node_text.py). */
// @ts-ignore served by ComfyUI
import { app } from "../../scripts/app.js";
// @ts-ignore served by ComfyUI
import { api } from "../../scripts/api.js";
import { ErrorNotice } from "./error_notice.js";
import { changedAbove } from "./graph_changes.js";
import { executionId, executionIds, places, storedOutput, typeOf } from "./graph_walk.js";
import { PastRuns } from "./past_runs.js";
import { Prompts } from "./prompts.js";
import { textsOf, translated } from "./sentences.js";
import { TextPanel } from "./text_panel.js";
import { TextRoom } from "./text_room.js";
import { speakEverywhere } from "./texts.js";

/** @typedef {import("./sentences.js").Sentence} Sentence */
/** @typedef {{lines: Sentence[], away: boolean}} Said away: while another workflow was open */

const OUTPUT = "interact_text"; // key of the sentences in a node's ui output
const WIDGET = "interact_text";
const MARGIN = 6;
const MOST_KEPT = 2000; // texts of nodes

const prompts = new Prompts((path) => api.fetchApi(path));
const past = new PastRuns(prompts, localStorage);
const notice = new ErrorNotice();
const room = new TextRoom();
/** By workflow and node. @type {Map<string, Said>} */
const texts = new Map();
/** What is said before a run; stale: it has changed since the node said something of its run. @type {WeakMap<object, {lines: string[], meaning: string, stale: boolean}>} */
const foretold = new WeakMap();
/** Their nodes are LiteGraph's to keep or to drop. @type {WeakMap<object, TextPanel>} */
const panels = new WeakMap();
/** Everybody's texts in all languages. @type {Record<string, any> | undefined} */
let translations;
let language = "en";
let turn = Promise.resolve();

const rootGraph = () => app.rootGraph ?? app.graph;
/** @param {string} workflow @param {string} source */
const keyOf = (workflow, source) => `${workflow} ${source}`;

/** Events are taken one after the other: of which workflow a node's output is, the server has to be asked. */
function inTurn(/** @type {() => Promise<void>} */ act) {
  turn = turn.then(act).catch((error) => console.warn("interact: a node's text could not be shown", error));
}

/**
 * A node has said something; nothing takes away what it said before.
 * @param {string} workflow @param {string} source execution id @param {Sentence[]} lines
 */
function take(workflow, source, lines) {
  const key = keyOf(workflow, source);
  texts.delete(key); // so that it becomes the latest
  texts.set(key, { lines, away: rootGraph().id !== workflow });
  for (const oldest of texts.keys()) {
    if (texts.size <= MOST_KEPT) break;
    texts.delete(oldest);
  }
  refresh((place) => executionId(place) === source, true);
}

/**
 * Says under a node what its next run will be: until it has run, and again where that has changed since.
 * @param {any} node @param {string[]} lines @param {string} meaning of the lines, whatever the language
 */
export function foretell(node, lines, meaning) {
  const before = foretold.get(node);
  if (before?.meaning === meaning && before.lines.join("\n") === lines.join("\n")) return;
  foretold.set(node, { lines, meaning, stale: before !== undefined && (before.stale || before.meaning !== meaning) });
  refresh((place) => place.node === node);
}

/** @param {any} executed ComfyUI's event, also sent for a node that comes from the cache */
async function takeOutput(executed) {
  const lines = executed?.output?.[OUTPUT]?.flat();
  if (!lines) return;
  const workflow = (await prompts.workflowOf(executed.prompt_id)) ?? rootGraph().id;
  take(workflow, String(executed.display_node || executed.node), lines);
}

/**
 * What a node said before it failed is not of this run. An error of ours is said in its place, in English, and in
 * ComfyUI's notice, which says only that the node has failed.
 * @param {any} failed ComfyUI's event
 */
async function takeFailure(failed) {
  const ours = String(failed.exception_type).endsWith("InteractError");
  if (ours) notice.explain(String(failed.exception_message).trim());
  else notice.restore();
  const workflow = (await prompts.workflowOf(failed.prompt_id)) ?? rootGraph().id;
  const lines = ours ? [{ key: "", values: {}, text: String(failed.exception_message).trim() }] : [];
  take(workflow, String(failed.node_id), lines);
}

/** Shows what is known of the nodes of the workflow that is open. */
function refresh(/** @type {(place: import("./graph_walk.js").Place) => boolean} */ which = () => true, ran = false) {
  const root = rootGraph();
  for (const place of places(root)) {
    if (!typeOf(place.node)?.startsWith("InterAct") || !which(place)) continue;
    const lines = executionIds(root, place.node).flatMap((id) => texts.get(keyOf(root.id, id))?.lines ?? []);
    const said = lines.map((line) => translated(line, language, textsOf(translations, language)));
    const before = foretold.get(place.node);
    if (before && ran) before.stale = false;
    const next = before && (before.stale || !said.length) ? before.lines : said;
    show(place.node, [...new Set(next)]); // a subgraph that is used twice says most of it twice
  }
}

/** @param {any} node @param {string[]} lines */
function show(node, lines) {
  const panel = panels.get(node) ?? (lines.length ? mount(node) : undefined);
  panel?.show(lines);
}

/** Once it is there it stays, hidden where there is nothing to say: Nodes 2.0 does not notice a removed widget. */
function mount(/** @type {any} */ node) {
  let before = 0; // height of the node without the text,
  let grown = 0; // and with it, as long as nobody else has changed it
  const panel = new TextPanel(() => {
    const now = node.size[1];
    const needed = node.computeSize()[1];
    if (now < needed && now !== grown) before = now;
    if (now < needed || now === grown) {
      grown = Math.max(before, needed);
      node.setSize([node.size[0], grown]);
    }
    app.canvas?.setDirty(true, true);
  });
  const height = () => (panel.height ? panel.height + 2 * MARGIN : 0);
  const widget = node.addDOMWidget(WIDGET, WIDGET, panel.element, {
    serialize: false, // not part of the prompt
    hideOnZoom: false,
    getMinHeight: height,
    getMaxHeight: height,
    margin: MARGIN,
  });
  widget.serialize = false; // not part of widgets_values either
  const removed = node.onRemoved;
  node.onRemoved = function (/** @type {any[]} */ ...words) {
    panel.destroy();
    return removed?.apply(this, words);
  };
  panels.set(node, panel);
  return panel;
}

async function chooseLanguage() {
  language = app.extensionManager?.setting?.get("Comfy.Locale") || "en";
  if (!translations && !language.startsWith("en")) {
    try {
      translations = await (await api.fetchApi("/i18n")).json();
    } catch {
      // English until the next time
    }
  }
  speakEverywhere(language, translations);
  refresh();
}

/**
 * After the page was reloaded, or a file was opened: what the nodes said in the newest run of this workflow in which
 * any of them was told what it is told now. The workflow itself says nothing of its runs.
 */
async function restore() {
  const root = rootGraph();
  const { id } = root;
  const ours = [...places(root)].some(({ node }) => typeOf(node)?.startsWith("InterAct"));
  if (!ours || [...texts.keys()].some((key) => key.startsWith(`${id} `))) return;
  const now = root.serialize();
  for await (const { workflow, outputs } of past.entries(id)) {
    const said = Object.entries(outputs).filter(
      ([source, output]) => output?.[OUTPUT] && !changedAbove(workflow, now, source).length,
    );
    if (rootGraph().id !== id) return;
    for (const [source, output] of said) take(id, source, output[OUTPUT].flat());
    if (said.length) return;
  }
}

app.registerExtension({
  name: "interacthuman.NodeText",

  setup() {
    api.addEventListener("interact.text", (/** @type {CustomEvent} */ { detail }) =>
      inTurn(async () => take(detail.workflow || rootGraph().id, detail.source, detail.lines)),
    );
    api.addEventListener("executed", (/** @type {CustomEvent} */ { detail }) =>
      inTurn(() => takeOutput(detail)),
    );
    api.addEventListener("execution_error", (/** @type {CustomEvent} */ { detail }) =>
      inTurn(() => takeFailure(detail)),
    );
    app.ui?.settings?.addEventListener?.("Comfy.Locale.change", () => inTurn(chooseLanguage));
    inTurn(chooseLanguage);
  },

  /** @param {any} node */
  nodeCreated(node) {
    room.watch(node);
  },

  async beforeConfigureGraph() {
    room.loading = true;
  },

  /** A workflow was opened, or its tab came to the front. */
  async afterConfigureGraph() {
    setTimeout(() => (room.loading = false)); // after what its links have asked for
    refresh();
    inTurn(restore);
  },

  /** ComfyUI hands out stored outputs: a tab came to the front, or a run was loaded from the history. */
  onNodeOutputsUpdated(/** @type {Record<string, any>} */ outputs) {
    const root = rootGraph();
    for (const place of places(root)) {
      const lines = storedOutput(outputs, place)?.[OUTPUT]?.flat();
      const known = texts.get(keyOf(root.id, executionId(place)));
      if (known?.away) known.away = false; // newer than what ComfyUI kept for this tab
      else if (lines) take(root.id, executionId(place), lines);
    }
  },
});
