// @ts-check
/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("./lens.js").Point} Point */

/** Wheel, drag, pinch and double click on a stage: what moves its lens. */
export class Gestures {
  /** Fingers, or the one pointer that is held down. @type {Map<number, Point>} */
  #held = new Map();

  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    const { canvas, element } = stage;
    element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    element.addEventListener("dblclick", (event) => {
      if (event.target === canvas) stage.reset();
    });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.#held.set(event.pointerId, stage.pointOf(event));
      if (stage.lens.isWhole && this.#held.size < 2) return;
      canvas.setPointerCapture(event.pointerId);
      canvas.classList.add("interact-moving");
    });
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel", "pointerleave", "lostpointercapture"])
      canvas.addEventListener(end, (event) => {
        this.#held.delete(/** @type {PointerEvent} */ (event).pointerId);
        if (!this.#held.size) canvas.classList.remove("interact-moving");
      });
  }

  /** Whether a pointer that goes down here moves the picture, and not the node around it. */
  get takesPointer() {
    return !this.stage.lens.isWhole || this.#held.size > 1;
  }

  /** Only where the viewer has the focus: who scrolls over a graph wants to move the graph. @param {WheelEvent} event */
  #wheel(event) {
    const { stage } = this;
    const viewer = stage.element.parentElement;
    const point = stage.pointOf(event);
    const placed = stage.at(point);
    if (!placed || !viewer?.contains(document.activeElement)) return;
    event.preventDefault();
    event.stopPropagation();
    stage.lens.wheel(event, placed.whole, placed.room, point);
    stage.changed();
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const { stage } = this;
    const before = this.#held.get(event.pointerId);
    if (!before) return;
    const now = stage.pointOf(event);
    const others = [...this.#held].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    this.#held.set(event.pointerId, now);
    const placed = stage.at(now);
    if (!placed) return;
    const share = others.length ? 0.5 : 1; // of two fingers each moves the middle by half of its way
    if (others.length) {
      const [other] = others;
      const apart = (/** @type {Point} */ { x, y }) => Math.max(1, Math.hypot(x - other.x, y - other.y));
      const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
      stage.lens.zoom(apart(now) / apart(before), placed.whole, placed.room, middle);
    } else if (stage.lens.isWhole) return;
    stage.lens.pan(share * (now.x - before.x), share * (now.y - before.y), placed.whole, placed.room);
    stage.changed();
  }
}
