// @ts-check
/** Characters in ComfyUI while one edits: names of their own, a word where two have the same, links that stay. */
// @ts-ignore served by ComfyUI
import { app } from "../../scripts/app.js";
// @ts-ignore served by ComfyUI
import { api } from "../../scripts/api.js";
import { isEncoder } from "./characters/casts.js";
import { NamesakeBadges } from "./characters/namesake_badges.js";
import { Numbering } from "./characters/numbering.js";
import { keepLinks } from "./characters/sockets.js";
import { words } from "./graph/words.js";

const rootGraph = () => app.rootGraph ?? app.graph;
const numbering = new Numbering(rootGraph);
const namesakes = new NamesakeBadges((options) => new /** @type {any} */ (window).LGraphBadge(options));

const tellNamesakes = () => namesakes.update(rootGraph());

app.registerExtension({
  name: "interacthuman.Characters",

  setup() {
    api.addEventListener("graphChanged", tellNamesakes);
    words.onLanguage(tellNamesakes);
    // On the canvas, which tells it, before it comes to ComfyUI's own listener: that one stores the graph for undo.
    app.canvas.canvas.addEventListener("litegraph:canvas", (/** @type {CustomEvent} */ event) => {
      if (event.detail?.subType === "after-change") numbering.settle();
    });
  },

  /** @param {any} node */
  nodeCreated(node) {
    numbering.watch(node);
    namesakes.watch(node);
    if (isEncoder(node)) keepLinks(node);
  },

  async beforeConfigureGraph() {
    numbering.loading = true;
  },

  /** A workflow was opened, its tab came to the front, or a change was undone. */
  async afterConfigureGraph() {
    numbering.loading = false;
    tellNamesakes();
  },
});
