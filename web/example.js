// @ts-check
/** An Example Character shows its portrait and plays its sound before any run. */
// @ts-ignore served by ComfyUI
import { app } from "../../scripts/app.js";
import { chain } from "./chain.js";
import { isDriven, nameWidget } from "./characters/casts.js";
import { places, storedOutput, typeOf } from "./graph_walk.js";
import { make } from "./viewer/dom.js";

const TYPE = "InterActExample";
const NAME = /^[A-Z][a-z]+$/; // of a file, whatever a workflow says
const SILENT = "Group"; // of which there is a picture only
const SOUND_HEIGHT = 34; // CSS pixels
const PICTURE_HEIGHT = 120;

/** @param {string} name @param {string} kind */
const fileOf = (name, kind) => new URL(`./examples/${name.toLowerCase()}.${kind}`, import.meta.url).href;

/** Node -> switches its portrait. @type {WeakMap<any, (on: boolean) => void>} */
const portraits = new WeakMap();

/** ComfyUI shows a run's picture: one of them is enough. @param {Record<string, any> | undefined} outputs */
function giveWay(outputs) {
  for (const place of places(app.rootGraph)) {
    if (storedOutput(outputs, place)?.images?.length) portraits.get(place.node)?.(false);
  }
}

/** @param {any} node */
function mount(node) {
  const picture = make("img", { alt: "" });
  const sound = make("audio", { controls: true, preload: "none" });
  const element = make("div", { "data-testid": "interact-example" }, picture, sound);
  Object.assign(element.style, { display: "flex", flexDirection: "column", gap: "4px", minHeight: "0" });
  Object.assign(picture.style, { flex: "1 1 0", minHeight: "0", objectFit: "contain" });
  Object.assign(sound.style, { flex: "none", width: "100%", height: `${SOUND_HEIGHT - 4}px` });
  const height = () => (element.hidden ? 0 : SOUND_HEIGHT + (picture.hidden ? 0 : PICTURE_HEIGHT));
  const show = () => {
    const name = String(nameWidget(node)?.value ?? "");
    const known = NAME.test(name) && !isDriven(node); // else only a run can tell
    element.style.display = known ? "flex" : "none";
    element.hidden = !known;
    if (known && picture.alt !== name) {
      [picture.alt, picture.src] = [name, fileOf(name, "png")];
      sound.hidden = name === SILENT;
      if (sound.hidden) sound.removeAttribute("src");
      else sound.src = fileOf(name, "wav");
      if (picture.hidden) setPicture(true); // ComfyUI's own is of another one
    }
  };
  const setPicture = (/** @type {boolean} */ on) => {
    picture.hidden = !on;
    picture.style.display = on ? "" : "none";
    element.style.minHeight = `${height()}px`;
  };
  setPicture(true);
  const widget = node.addDOMWidget("example", "interact_example", element, {
    serialize: false, // not part of the prompt
    hideOnZoom: false,
    getMinHeight: height,
    margin: 6,
  });
  widget.serialize = false; // not part of widgets_values either
  const name = nameWidget(node);
  if (name) chain(name, "callback", show);
  chain(node, "onConfigure", show);
  chain(node, "onConnectionsChange", () => setTimeout(show));
  chain(node, "onExecuted", () => setPicture(false)); // ComfyUI shows it from now on
  chain(node, "onRemoved", () => sound.pause());
  portraits.set(node, setPicture);
  show();
}

app.registerExtension({
  name: "interacthuman.Example",

  /** @param {any} node */
  nodeCreated(node) {
    if (typeOf(node) === TYPE) mount(node);
  },

  /** A workflow was opened, or made anew in another language: what ran before is still shown. */
  async afterConfigureGraph() {
    giveWay(app.nodeOutputs);
  },

  /** ComfyUI hands out stored outputs: a tab came to the front, or a run was loaded from the history. */
  onNodeOutputsUpdated: giveWay,
});
