// @ts-check
import { icon, make, tell } from "./dom.js";
import { say, seconds } from "./words.js";

/** @typedef {import("./sound.js").Span} Span */
/**
 * @typedef {object} HeadActs
 * @property {() => void} follow the newest step
 * @property {() => void} unloop plays everything again
 * @property {() => void} fill the screen, or no longer
 * @property {(() => void) | undefined} stop the run
 * @property {(() => void) | undefined} next stops it, and begins one with the next seed
 */

const FILL = "M2 6V2h4v1.5H3.5V6zM10 2h4v4h-1.5V3.5H10zM2 10h1.5v2.5H6V14H2zM12.5 10H14v4h-4v-1.5h2.5z";
const STOP = "M3.5 3.5h9v9h-9z";
const NEXT = "M1.5 4h7v8h-7zM10 3.2l5 4.8-5 4.8z";

/** The line above the picture: what is shown, and what can be done about the run as a whole. */
export class Head {
  /** The run that is being stopped. */
  #stopping = "";

  /** @param {HeadActs} acts */
  constructor({ follow, unloop, fill, stop, next }) {
    this.status = make("span", { className: "interact-status" });
    this.time = make("span", { className: "interact-time" });
    this.live = make("button", {
      type: "button",
      className: "interact-live",
      said: { textContent: "live", title: "liveHint" },
      onclick: follow,
    });
    this.loop = make("button", {
      type: "button",
      className: "interact-loop",
      hidden: true,
      said: { textContent: ["loop", { from: "", to: "" }], title: "loopHint" },
      onclick: unloop,
    });
    this.stop = this.#tool(STOP, "stop", "stopHint", stop);
    this.next = this.#tool(NEXT, "nextSeed", "nextSeedHint", next);
    this.fill = this.#tool(FILL, "fill", "fillHint", fill);
    this.fill.hidden = !document.fullscreenEnabled;
    this.can = { stop: Boolean(stop), next: Boolean(next) };
    this.element = make(
      "div",
      { className: "interact-head" },
      this.status,
      this.live,
      this.loop,
      this.stop,
      this.next,
      this.time,
      this.fill,
    );
  }

  /**
   * @param {string} path @param {import("./words.js").Word} name @param {import("./words.js").Word} title
   * @param {(() => void) | undefined} act
   */
  #tool(path, name, title, act = () => {}) {
    return make(
      "button",
      { type: "button", className: "interact-tool", said: { "aria-label": name, title }, onclick: act },
      icon(path),
    );
  }

  /** @param {string} text @param {string} tone */
  say(text, tone) {
    if (this.status.textContent !== text) this.status.textContent = this.status.title = text;
    this.status.dataset.tone = tone;
  }

  /**
   * @param {import("./run_store.js").RunStore | undefined} run @param {number} at video frame
   * @param {boolean} following @param {Span | null} span that is played over and over
   */
  update(run, at, following, span) {
    const sampling = run?.state === "sampling";
    this.live.hidden = !sampling || following;
    this.time.textContent = run ? seconds(at, run.scene.fps) : "";
    this.stop.hidden = !sampling || !this.can.stop;
    this.next.hidden = !sampling || !this.can.next;
    this.stop.disabled = this.next.disabled = this.#stopping !== "" && this.#stopping === run?.run;
    this.loop.hidden = !span;
    if (!span) return;
    const [from, to] = [span.from, span.to].map((end) => end.toFixed(2));
    tell(this.loop, { textContent: ["loop", { from, to }] });
  }

  /** Whether the run can be stopped now; it is asked once. @param {string} run */
  mayStop(run) {
    if (this.stop.hidden || this.#stopping === run) return false;
    this.#stopping = run;
    return true;
  }

  /** It could not be stopped. */
  stayed() {
    this.#stopping = "";
  }

  /** @param {boolean} filling */
  setFilling(filling) {
    tell(this.fill, { "aria-label": filling ? "unfill" : "fill" });
    this.fill.setAttribute("aria-pressed", `${filling}`);
  }

  /** @param {boolean} recording */
  setBusy(recording) {
    if (recording) this.status.dataset.busy = say("recording");
    else delete this.status.dataset.busy;
  }
}
