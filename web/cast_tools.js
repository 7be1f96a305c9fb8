// @ts-check
/** While one edits: characters are added and coloured, a model's values are used, a run is foretold on its node. */
// @ts-ignore served by ComfyUI
import { app } from "../../scripts/app.js";
// @ts-ignore served by ComfyUI
import { api } from "../../scripts/api.js";
import { chain } from "./chain.js";
import { castsOf, isEncoder } from "./characters/casts.js";
import { colourCasts } from "./characters/colours.js";
import { addCharacter, encodersMeant, freeSocket, takesAdapter } from "./graph/add_character.js";
import { forecast } from "./graph/forecast.js";
import { sentencesOf } from "./graph/forecast_text.js";
import { RecordingLengths } from "./graph/lengths.js";
import { differences, modelsOf, readValues, setValues } from "./graph/model_values.js";
import { colourWires } from "./graph/wire_colours.js";
import { listed, words } from "./graph/words.js";
import { places, typeOf } from "./graph_walk.js";
import { foretell } from "./node_text.js";

/** @typedef {import("./graph/model_values.js").Values} Values */

const FOLDER = "interact"; // of ComfyUI's models, where adapters lie
const SOON = 150; // milliseconds after a change

const rootGraph = () => app.rootGraph ?? app.graph;
const lengths = new RecordingLengths(addressOf, () => lookSoon());
/** By file; undefined while it is asked for, and where it says nothing. @type {Map<string, Values | undefined>} */
const valuesOf = new Map();
/** @type {number | undefined} */
let looking;

/** @param {import("./graph/lengths.js").Source} source */
function addressOf({ kind, file }) {
  if (kind === "example") return new URL(`./examples/${encodeURIComponent(file.toLowerCase())}.wav`, import.meta.url).href;
  const [, path, type = "input"] = /^(.*?)(?: \[(input|output|temp)\])?$/su.exec(file) ?? [];
  const cut = String(path).lastIndexOf("/");
  const query = { filename: String(path).slice(cut + 1), type, subfolder: cut < 0 ? "" : String(path).slice(0, cut) };
  return api.apiURL(`/view?${new URLSearchParams(query)}`);
}

/** ComfyUI reads it from the head of the file. @param {string} file */
async function askValues(file) {
  if (valuesOf.has(file)) return;
  valuesOf.set(file, undefined);
  const answer = await api.fetchApi(`/view_metadata/${FOLDER}?${new URLSearchParams({ filename: file })}`);
  if (!answer.ok) return;
  valuesOf.set(file, readValues(await answer.json()));
  lookSoon();
}

function lookSoon() {
  clearTimeout(looking);
  looking = window.setTimeout(look, SOON);
}

/** Says on each Encode Characters and loader what is to be said before a run. */
function look() {
  const root = rootGraph();
  /** @type {Map<any, {said: string[], meant: unknown[]}>} */
  const lines = new Map();
  for (const { node } of places(root)) if (isEncoder(node) || takesAdapter(node)) lines.set(node, { said: [], meant: [] });
  const tell = (/** @type {any} */ node, /** @type {unknown} */ meaning, /** @type {string[]} */ said) => {
    lines.get(node)?.said.push(...said);
    lines.get(node)?.meant.push(meaning);
  };
  for (const cast of castsOf(root)) {
    const told = forecast(root, cast, (source) => lengths.get(source));
    tell(cast.encoder.node, told, sentencesOf(told));
  }
  for (const model of modelsOf(root)) {
    void askValues(model.file);
    const values = valuesOf.get(model.file);
    const found = values ? differences(model, values) : [];
    const meaning = found.map(({ name, wanted, found: is }) => [name, wanted, is ?? null]);
    if (found.length) tell(model.loader.node, meaning, [words.say("differs", { file: model.file, values: valuesIn(found) })]);
  }
  if (lengths.pending) return; // what was not known is no change of the graph
  for (const [node, { said, meant }] of lines) foretell(node, said, JSON.stringify(meant));
}

/** @param {import("./graph/model_values.js").Difference[]} found */
function valuesIn(found) {
  const told = found.map(({ name, wanted, found: is }) =>
    is === undefined ? words.say("shiftMissing", { wanted }) : words.say("valueDiffers", { name, wanted, found: `${is}` }),
  );
  return listed([...new Set(told)]);
}

/** @param {"info" | "warn"} severity @param {string} detail */
const toast = (severity, detail) => app.extensionManager?.toast?.add({ severity, summary: "InterAct", detail, life: 5000 });

/** @param {any} [encoder] the one whose menu it was, else the one that is selected or the only one */
function add(encoder) {
  const selected = Object.values(app.canvas?.selected_nodes ?? {});
  const meant = encoder ? [encoder] : encodersMeant(app.canvas.graph, selected);
  if (meant.length !== 1) return toast("info", words.say(meant.length ? "chooseEncoder" : "noEncoder"));
  if (freeSocket(meant[0]) < 0) return toast("warn", words.say("noSocket"));
  const made = addCharacter(/** @type {any} */ (window).LiteGraph, meant[0]);
  app.canvas.selectItems?.(made);
  return lookSoon();
}

function colour() {
  const root = rootGraph();
  root.beforeChange?.();
  colourCasts(root);
  root.afterChange?.();
}

async function useValues() {
  const models = modelsOf(rootGraph());
  for (const { file } of models) await askValues(file);
  const known = models.filter(({ file }) => valuesOf.get(file));
  if (!known.length) return toast("info", words.say("noValues"));
  const root = rootGraph();
  root.beforeChange?.();
  /** @param {import("./graph/model_values.js").Model} model */
  const differing = (model) => differences(model, /** @type {Values} */ (valuesOf.get(model.file)));
  const set = known.flatMap((model) => setValues(differing(model))); // one by one: what two share is set once
  const left = known.flatMap(differing);
  root.afterChange?.();
  lookSoon();
  const [{ file }] = known;
  if (!set.length && !left.length) return toast("info", words.say("valuesAlready", { file }));
  const said = [
    ...(set.length ? [words.say("valuesSet", { file, count: set.length })] : []),
    ...(left.length ? [words.say("valuesLeft", { values: valuesIn(left) })] : []),
  ];
  return toast(left.length ? "warn" : "info", said.join(" "));
}

const paint = () => colourWires(app.canvas, document.documentElement);

/** @param {string} id @param {string} label @param {string} image @param {() => void} act */
const command = (id, label, image, act) => ({
  id: `InterAct.${id}`,
  label: `InterAct: ${label}`,
  icon: `pi ${image}`,
  function: act,
});

app.registerExtension({
  name: "interacthuman.CastTools",
  commands: [
    command("AddCharacter", "add a character", "pi-user-plus", () => add()),
    command("ColourCharacters", "colour characters as in their masks", "pi-palette", colour),
    command("UseModelValues", "use the values that the model was made for", "pi-sliders-h", () => void useValues()),
  ],

  setup() {
    app.ui?.settings?.addEventListener?.("Comfy.ColorPalette.change", () => setTimeout(paint));
    api.addEventListener("graphChanged", lookSoon);
    words.onLanguage(lookSoon);
  },

  /** @param {any} node */
  nodeCreated(node) {
    if (isEncoder(node) || takesAdapter(node)) chain(node, "onConnectionsChange", lookSoon);
    if (typeOf(node)?.startsWith("InterAct"))
      for (const widget of node.widgets ?? []) chain(widget, "callback", lookSoon);
  },

  async afterConfigureGraph() {
    paint(); // by now ComfyUI has taken away the colours of all types that its palette does not know
    lookSoon();
  },

  /** In the menu of a node, in both renderers. @param {any} node */
  getNodeMenuItems(node) {
    const values = { content: words.say("menuValues"), callback: () => void useValues() };
    if (isEncoder(node))
      return [
        { content: words.say("menuAdd"), callback: () => add(node) },
        { content: words.say("menuColour"), callback: colour },
        values,
      ];
    return takesAdapter(node) ? [values] : [];
  },
});
