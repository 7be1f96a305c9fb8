// @ts-check
/** @typedef {import("./viewer.js").MaskViewer} MaskViewer */
/** @typedef {import("./run_store.js").RunStore} RunStore */
/** @typedef {import("./painter.js").View} View */
/** @typedef {import("./panes.js").Pane} Pane */

/** What a viewer draws, from pictures that are here or still come. */
export class Views {
  /** Masks that are on the stage: kept whatever the memory's limit. @type {Map<string, Uint8Array>} */
  #held = new Map();
  /** Pictures that are being fetched for this viewer. @type {Set<string>} */
  #awaited = new Set();
  /** @type {import("./pictures.js").Backdrop | undefined} */
  #backdrop;

  /** @param {MaskViewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
  }

  /** The viewer shows another run. */
  clear() {
    this.#held.clear();
    this.#awaited.clear();
    this.#backdrop = undefined;
  }

  /** Forgets the masks of other panes. @param {RunStore} run @param {Pane[]} panes that are shown */
  keep(run, panes) {
    const shown = new Set(panes.map(({ source }) => run.masksName(source) ?? ""));
    for (const name of this.#held.keys()) if (!shown.has(name)) this.#held.delete(name);
  }

  /**
   * How a step's masks lie over its frames now; what is not here yet is fetched, and then drawn.
   * @param {RunStore} run @param {Pane} pane @returns {View}
   */
  of(run, { source, under, caption }) {
    const name = run.masksName(source) ?? "";
    const masks = this.#held.get(name) ?? run.masksAtHand(source);
    if (masks) this.#held.set(name, masks);
    else if (source !== undefined && !run.isMissing(source))
      this.#await(
        name,
        () => run.masks(source),
        (found) => this.#held.set(name, found),
      );
    const { viewer } = this;
    return { ...viewer.look(), masks, backdrop: this.#backdropOf(run, under), frame: viewer.frame, caption };
  }

  /** @param {RunStore} run @param {number} step */
  #backdropOf(run, step) {
    const { backdrop, under } = this.viewer.preferences;
    const name = backdrop ? run.backdropName(step, under) : null;
    if (!name) return undefined;
    const here = run.pictures.backdropAtHand(name);
    if (here) this.#backdrop = here;
    else this.#await(name, () => run.backdrop(name));
    return this.#backdrop; // until it is here, that of the step before
  }

  /** @param {string} name @param {() => Promise<any>} fetch @param {(found: any) => void} [take] */
  #await(name, fetch, take = () => {}) {
    const { run } = this.viewer;
    if (this.#awaited.has(name) || !run || run.trouble) return;
    this.#awaited.add(name);
    void fetch().then((found) => {
      if (this.viewer.run !== run) return;
      if (found) take(found);
      if (found || run.trouble) this.#awaited.delete(name); // else it is nothing to ask for again
      this.viewer.requestDraw();
    });
  }
}
