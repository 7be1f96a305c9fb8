// @ts-check
import { make } from "./dom.js";

/** @typedef {import("./arrange.js").Placed} Placed */

const STEP = 0.05; // of a key

/** The line between two pictures of which one is wiped over the other: to drag, or to move with the arrows. */
export class Wipe {
  /** How much of the picture the first one has, 0..1. */
  place = 0.5;
  /** What is seen of both, in CSS pixels. */
  #from = 0;
  #width = 1;

  /** @param {() => void} changed */
  constructor(changed) {
    this.changed = changed;
    this.element = make("div", {
      className: "interact-wipe",
      hidden: true,
      tabIndex: 0,
      role: "slider",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      said: { "aria-label": "wipe", title: "wipeHint" },
    });
    this.#listen();
  }

  #listen() {
    const { element } = this;
    let held = false;
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.stopPropagation(); // else the node is dragged
      held = true;
      element.setPointerCapture(event.pointerId);
    });
    element.addEventListener("pointermove", (event) => {
      const stage = element.parentElement;
      if (!held || !stage) return;
      const box = stage.getBoundingClientRect(); // what is seen, however the graph is zoomed
      const x = ((event.clientX - box.left) / Math.max(1, box.width)) * stage.clientWidth;
      this.move((x - this.#from) / this.#width);
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
      element.addEventListener(end, () => (held = false));
    element.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!way || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      this.move(this.place + way * STEP);
    });
  }

  /** @param {number} place 0..1 */
  move(place) {
    this.place = Math.min(1, Math.max(0, place));
    this.changed();
  }

  /** Lies between these two, or is hidden. @param {Placed[]} shown */
  show(shown) {
    this.element.hidden = shown.length < 2;
    if (shown.length < 2) return;
    const [{ seen: left }, { seen: right }] = shown;
    this.#from = left.x;
    this.#width = Math.max(1, left.width + right.width);
    Object.assign(this.element.style, {
      transform: `translateX(${right.x}px)`,
      top: `${left.y}px`,
      height: `${left.height}px`,
    });
    this.element.setAttribute("aria-valuenow", `${Math.round(100 * this.place)}`);
  }
}
