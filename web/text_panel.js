// @ts-check
/** The lines of text under a node: an element that is as high as they are, up to a few lines, and then scrolls. */
import { make } from "./viewer/dom.js";
import { addStyle } from "./viewer/style.js";

const MARK = "interact-text-style";
// Pixels, seven lines: with them a node of a shipped graph reaches no neighbour (tools/graphs/layout.py: TEXT, GAP).
const MOST_HEIGHT = 120;
const EDGE = 4; // pixels around the text, of the element and below it

const STYLE = `
.interact-text {
  box-sizing: border-box;
  max-height: ${MOST_HEIGHT}px;
  overflow-x: hidden;
  overflow-y: auto;
  scrollbar-width: thin;
  padding: ${EDGE}px 8px;
  border-radius: 6px;
  background: color-mix(in srgb, var(--input-text, #ddd) 7%, transparent);
  color: var(--input-text, #ddd);
  font: 12px/1.3 Inter, system-ui, sans-serif;
  text-align: left;
  overflow-wrap: anywhere;
  cursor: text;
  user-select: text;
}
.interact-text p { margin: 0 0 3px; }
.interact-text p:last-child { margin: 0; }
`;

export class TextPanel {
  /** @param {() => void} resized called when the text takes another height */
  constructor(resized) {
    this.resized = resized;
    this.lines = make("div");
    this.element = make("div", { className: "interact-text", role: "status", "data-capture-wheel": "true" }, this.lines);
    this.height = 0;
    this.observer = new ResizeObserver(() => {
      if (!this.lines.offsetHeight) return; // it is not on the page
      const height = Math.min(MOST_HEIGHT, this.lines.offsetHeight + 2 * EDGE);
      if (height === this.height) return;
      this.height = height;
      resized();
    });
    this.observer.observe(this.lines);
    addStyle(document, MARK, STYLE);
  }

  /** @param {string[]} lines none hide it */
  show(lines) {
    this.lines.replaceChildren(...lines.map((line) => make("p", { textContent: line })));
    this.element.hidden = !lines.length;
    if (!lines.length && this.height) {
      this.height = 0;
      this.resized();
    }
  }

  /** Its node is gone. */
  destroy() {
    this.observer.disconnect();
  }
}
