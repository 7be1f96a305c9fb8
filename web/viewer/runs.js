// @ts-check
import { RunStore, isReadable, isStep } from "./run_store.js";

/** @typedef {import("./types.js").StepEvent} StepEvent */
/** @typedef {import("./types.js").EndEvent} EndEvent */
/** @typedef {import("./types.js").Manifest} Manifest */
/** @typedef {import("./pictures.js").Pictures} Pictures */

/** So many runs are remembered; their pictures share one limit of memory. */
const MOST = 12;

/** The runs that this page has heard of, also those of workflows in tabs that are not open now. */
export class Runs {
  /** In the order in which they began. @type {Map<string, RunStore>} */
  #stores = new Map();

  /** @param {Pictures} pictures */
  constructor(pictures) {
    this.pictures = pictures;
  }

  /** @param {StepEvent} event @returns {RunStore | undefined} undefined where it cannot be read */
  takeStep(event) {
    if (!isReadable(event) || !isStep(event.step)) return undefined;
    if (typeof event.workflow !== "string" || typeof event.source !== "string") return undefined;
    let store = this.#stores.get(event.run);
    if (!store) {
      this.#endOthers(event);
      store = this.#add(new RunStore(event.run, event.scene, this.pictures));
    }
    store.takeStep(event);
    return store;
  }

  /** @param {EndEvent} event */
  takeEnd(event) {
    const store = this.#stores.get(event?.run);
    store?.takeEnd(event);
    return store;
  }

  /** @param {Manifest} manifest @returns {RunStore | undefined} undefined where it cannot be read */
  takeManifest(manifest) {
    if (!isReadable(manifest)) return undefined;
    const known = this.#stores.get(manifest.run);
    const store = known ?? this.#add(new RunStore(manifest.run, manifest.scene, this.pictures));
    store.takeManifest(manifest);
    return store;
  }

  /** @param {string | undefined} run */
  get(run) {
    return run === undefined ? undefined : this.#stores.get(run);
  }

  /** The last run that a node of a workflow began. @param {string} workflow @param {string[]} sources */
  latest(workflow, sources) {
    return [...this.#stores.values()]
      .reverse()
      .find((store) => store.workflows.has(workflow) && sources.includes(store.source));
  }

  /** The nodes that have sampled for a workflow. @param {string} workflow @returns {string[]} execution ids */
  sourcesIn(workflow) {
    const stores = [...this.#stores.values()].filter((store) => store.workflows.has(workflow) && store.source);
    return [...new Set(stores.map(({ source }) => source))];
  }

  /** Whether `one` began after `other`. @param {RunStore} one @param {RunStore} other */
  isLater(one, other) {
    const order = [...this.#stores.keys()];
    return order.indexOf(one.run) > order.indexOf(other.run);
  }

  /** A run whose end was never told is over when its node begins another one. @param {StepEvent} event */
  #endOthers(event) {
    for (const store of this.#stores.values())
      if (store.workflows.has(event.workflow) && store.source === event.source && store.state === "sampling")
        store.takeEnd({ ...event, run: store.run, how: "stopped" });
  }

  /** @param {RunStore} store */
  #add(store) {
    this.#stores.set(store.run, store);
    for (const run of this.#stores.keys()) {
      if (this.#stores.size <= MOST) break;
      this.#stores.delete(run);
    }
    return store;
  }
}
