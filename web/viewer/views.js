// @ts-check
import { comparison } from "./arrange.js";
import { panesOf } from "./panes.js";
import { noMasks, say, status } from "./words.js";

/** @typedef {import("./viewer.js").MaskViewer} MaskViewer */
/** @typedef {import("./run_store.js").RunStore} RunStore */
/** @typedef {import("./painter.js").View} View */
/** @typedef {import("./panes.js").Pane} Pane */
/** @typedef {import("./pictures.js").Backdrop} Backdrop */

/** What a viewer draws, from pictures that are here or still come. */
export class Views {
  /** Masks that are on the stage: kept whatever the memory's limit. @type {Map<string, Uint8Array>} */
  #held = new Map();
  /** Pictures that are being fetched for this viewer. @type {Set<string>} */
  #awaited = new Set();
  /** The last one that was drawn of each run. @type {Map<RunStore, Backdrop>} */
  #backdrops = new Map();

  /** @param {MaskViewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
  }

  /** The viewer shows another run. */
  clear() {
    this.#held.clear();
    this.#awaited.clear();
    this.#backdrops.clear();
  }

  /**
   * Draws what the viewer shows, or says why there is nothing.
   * @param {import("./stage.js").Stage} stage @param {import("./words.js").Word | null} notice instead of a run
   * @returns {View | undefined | null} the main one; null where what was drawn before stays
   */
  draw(stage, notice) {
    const { run, step, following, preferences } = this.viewer;
    if (!run || step === undefined) {
      const words = notice ? say(notice) : status(run, step, following).text;
      return void stage.draw([], { words, hint: run || notice ? "" : say("waitingHint") });
    }
    const panes = panesOf(this.viewer, run, step);
    const views = panes.map((pane) => this.of(pane));
    const lacking = panes.filter(({ source }, at) => source !== undefined && !views[at].masks);
    const missing = lacking.find((pane) => pane.run.isMissing(pane.source ?? 0));
    const trouble = panes.find((pane) => pane.run.trouble)?.run.trouble;
    // Until the masks of a step are here, the step before stays: a flash of nothing would be worse.
    if (lacking.length && !missing && !trouble) {
      if (stage.isEmpty) stage.draw([], { words: say("loading") });
      return null;
    }
    this.keep(panes);
    if (lacking.length)
      return void stage.draw([], { words: trouble ? say(trouble) : noMasks(missing?.run ?? run, missing?.under ?? step) });
    stage.draw(views, {
      words: panes.length < 2 ? panes[0].words : "",
      compare: comparison(views, preferences.compare),
    });
    return views[views.length - 1];
  }

  /** Forgets the masks of other panes. @param {Pane[]} panes that are shown */
  keep(panes) {
    const shown = new Set(panes.map(({ run, source }) => run.masksName(source) ?? ""));
    for (const name of this.#held.keys()) if (!shown.has(name)) this.#held.delete(name);
  }

  /**
   * How a step's masks lie over its frames now; what is not here yet is fetched, and then drawn.
   * @param {Pane} pane @returns {View}
   */
  of(pane) {
    const { run, source, caption } = pane;
    const name = run.masksName(source) ?? "";
    const masks = this.#held.get(name) ?? run.masksAtHand(source);
    if (masks) this.#held.set(name, masks);
    else if (source !== undefined && !run.isMissing(source))
      this.#await(
        run,
        name,
        () => run.masks(source),
        (found) => this.#held.set(name, found),
      );
    const { viewer } = this;
    const frame = Math.min(viewer.frame, run.scene.grid[0] - 1);
    return { ...viewer.look(run), masks, backdrop: this.#backdropOf(pane, frame), frame, caption };
  }

  /** @param {Pane} pane @param {number} frame */
  #backdropOf({ run, under: step }, frame) {
    const { backdrop, under } = this.viewer.preferences;
    if (!backdrop) return undefined;
    const full = this.viewer.looksClosely ? run.fullName(step, under, frame) : null;
    if (full) {
      const here = run.pictures.fullFrameAtHand(full);
      if (here) return here;
      this.#await(run, full, () => run.fullFrame(full));
    }
    const name = run.backdropName(step, under);
    if (!name) return undefined;
    const here = run.pictures.backdropAtHand(name);
    if (here) this.#backdrops.set(run, here);
    else this.#await(run, name, () => run.backdrop(name));
    return this.#backdrops.get(run); // until it is here, that of the step before
  }

  /**
   * @param {RunStore} run @param {string} name @param {() => Promise<any>} fetch @param {(found: any) => void} [take]
   */
  #await(run, name, fetch, take = () => {}) {
    const { viewer } = this;
    const shown = viewer.run;
    if (this.#awaited.has(name) || !shown || run.trouble) return;
    this.#awaited.add(name);
    void fetch().then((found) => {
      if (viewer.run !== shown) return;
      if (found) take(found);
      if (found || run.trouble) this.#awaited.delete(name); // else it is nothing to ask for again
      viewer.requestDraw();
    });
  }
}
