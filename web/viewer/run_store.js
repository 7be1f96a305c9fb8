// @ts-check
import { isScene } from "./atlas.js";
import { Gone, Unreachable } from "./pictures.js";
import { areas, changes, settledAt } from "./series.js";

/** @typedef {import("./types.js").Scene} Scene */
/** @typedef {import("./types.js").Step} Step */
/** @typedef {import("./types.js").StepEvent} StepEvent */
/** @typedef {import("./types.js").EndEvent} EndEvent */
/** @typedef {import("./types.js").Manifest} Manifest */
/** @typedef {import("./types.js").Sounds} Sounds */
/** @typedef {import("./pictures.js").Pictures} Pictures */
/** @typedef {number | "fixed"} Source of masks: the step that predicted them, or what was drawn for the whole run */

/** The format of events and manifests that this page can read. */
export const FORMAT = 1;
const PATIENCE = 3000; // milliseconds until a server that did not answer is asked again

/**
 * Whether an event or a manifest is one that this page knows. Its number may be called `version`, because
 * ComfyUI takes the `format` of anything that a node shows for a media type (comfy_execution/jobs.py).
 * @param {any} message from whatever version of the pack
 */
export function isReadable(message) {
  return (
    (message?.version ?? message?.format) === FORMAT &&
    typeof message.run === "string" &&
    isScene(message.scene) &&
    isText(message.workflow) &&
    isText(message.source) &&
    Number.isInteger(message.boundary_step ?? -1) &&
    areAll(message.steps, isStep) &&
    areAll(message.voices, (one) => areAll(one, Number.isFinite)) &&
    Array.isArray((message.sounds ?? { voices: [] }).voices) &&
    areAll(message.sounds?.voices, isText) &&
    areAll(message.full, isText) &&
    [message.sounds?.scene, message.fixed, message.video].every(isText)
  );
}

/** @param {any} step */
export function isStep(step) {
  return Number.isInteger(step?.index) && step.index >= 0 && isText(step.masks) && isText(step.frames);
}

/** A text, or nothing. @param {any} value */
const isText = (value) => typeof (value ?? "") === "string";

/** A list of such, or nothing. @param {any} list @param {(one: any) => boolean} is */
const areAll = (list, is) => Array.isArray(list ?? []) && (list ?? []).every((/** @type {any} */ one) => is(one));

/**
 * All that is known of one sampling run: what events told live, and what the preview node told at its end.
 * Any number of viewers look at one store.
 */
export class RunStore {
  /** @type {Map<number, Step>} */
  steps = new Map();
  /** Numbers of the recorded steps, rising. @type {number[]} */
  order = [];
  /** Ids of the workflows whose masks these are: a copy of one gets them from ComfyUI's cache. @type {Set<string>} */
  workflows = new Set();
  /** Execution id of the node that sampled, "" for a run that was not seen live. */
  source = "";
  /** First step that masks steered, -1 for none so far. */
  boundary = -1;
  /** @type {(number[] | null)[]} */
  voices = [];
  /** @type {Sounds | null} */
  sounds = null;
  /** File name of the masks that were drawn for the run. @type {string | null} */
  fixed = null;
  /** @type {string | null} */
  video = null;
  /** File names of the decoded frames in full size, by latent frame; of a long film some only. @type {(string | null)[]} */
  full = [];
  /** Id of the prompt that it was seen live in, "" for none. */
  prompt = "";
  /** @type {"sampling" | "done" | "stopped"} */
  state = "done";
  /** Why pictures are missing. @type {null | "gone" | "unreachable"} */
  trouble = null;
  /** @type {Map<number, Float32Array>} by step, a number per character */
  areas = new Map();
  /** @type {Map<number, Float32Array>} */
  changes = new Map();

  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** Whose picture is there but is not of this run's masks. @type {Set<Source>} */
  #unreadable = new Set();
  #filling = false;

  /**
   * @param {string} run @param {Scene} scene @param {Pictures} pictures
   */
  constructor(run, scene, pictures) {
    this.run = run;
    this.scene = scene;
    this.pictures = pictures;
  }

  /** Steps of the sampler; of a run that knows of more than it was to have, those. */
  get total() {
    return Math.max(this.scene.total_steps, (this.order.at(-1) ?? -1) + 1);
  }

  /** @returns {number | undefined} the last step that there is */
  get latest() {
    return this.order.at(-1);
  }

  /** The recorded step before this one. @param {number} index @returns {number | undefined} */
  before(index) {
    return this.order[this.order.indexOf(index) - 1];
  }

  /** The recorded step nearest to a number. @param {number} index */
  nearest(index) {
    const nearer = (/** @type {number} */ one, /** @type {number} */ other) =>
      Math.abs(other - index) < Math.abs(one - index) ? other : one;
    return this.order.length ? this.order.reduce(nearer) : undefined;
  }

  /** @param {number[]} characters that count */
  settled(characters) {
    return this.state === "sampling" ? null : settledAt(this.order, this.changes, characters);
  }

  // ---------------------------------------------------------------------------------------- what comes in

  /** @param {StepEvent} event */
  takeStep(event) {
    this.workflows.add(event.workflow);
    this.source = event.source;
    this.prompt = isText(event.prompt) ? (event.prompt ?? "") : "";
    this.#takeCast(event);
    this.#add(event.step);
    if (event.step.steered && this.boundary < 0) this.boundary = event.step.index;
    this.state = "sampling";
    this.#renewed();
  }

  /** @param {EndEvent} event */
  takeEnd(event) {
    this.state = event.how === "stopped" ? "stopped" : "done";
    this.#tell();
  }

  /** @param {Manifest} manifest */
  takeManifest(manifest) {
    this.scene = manifest.scene;
    for (const step of manifest.steps ?? []) this.#add(step);
    this.boundary = manifest.boundary_step ?? this.boundary;
    this.#takeCast(manifest);
    this.video = manifest.video ?? null;
    this.full = manifest.full ?? [];
    if (this.state === "sampling") this.state = "done";
    this.#renewed();
  }

  /** What is told of the cast: by the first event of a run, and by its manifest. @param {StepEvent | Manifest} message */
  #takeCast({ voices, sounds, fixed }) {
    this.voices = voices ?? this.voices;
    this.sounds = sounds ?? this.sounds;
    this.fixed = fixed ?? this.fixed;
  }

  /** @param {Step} step */
  #add(step) {
    const known = this.steps.get(step.index);
    if (known?.masks !== step.masks) {
      this.areas.delete(step.index);
      this.changes.delete(step.index);
    }
    this.steps.set(step.index, step);
    if (!known) this.order = [...this.steps.keys()].sort((one, other) => one - other);
  }

  #renewed() {
    this.#unreadable.clear();
    this.trouble = null;
    this.#tell();
    if (this.#listeners.size) void this.#fill();
  }

  // ----------------------------------------------------------------------------------------- what is asked

  /** Calls back after every change, until the returned function is called. @param {() => void} listener */
  listen(listener) {
    this.#listeners.add(listener);
    void this.#fill();
    return () => void this.#listeners.delete(listener);
  }

  /** File name of masks. @param {Source | undefined} source */
  masksName(source) {
    if (source === "fixed") return this.fixed;
    return (source === undefined ? null : this.steps.get(source)?.masks) ?? null;
  }

  /** Masks [N, T, h, w], if they are decoded already. @param {Source | undefined} source */
  masksAtHand(source) {
    return this.pictures.masksAtHand(this.masksName(source));
  }

  /** Whether it is known that there are no masks to show. @param {Source} source */
  isMissing(source) {
    return !this.masksName(source) || this.#unreadable.has(source);
  }

  /** Masks; undefined where they cannot be had. @param {Source} source */
  async masks(source) {
    const name = this.masksName(source);
    if (!name || this.isMissing(source)) return undefined;
    try {
      const masks = await this.pictures.masks(name, this.scene);
      if (source !== "fixed") this.#measure(source, masks);
      return masks;
    } catch (error) {
      if (!this.#note(error)) this.#unreadable.add(source);
      this.#tell();
      return undefined;
    }
  }

  /**
   * File name of the frames behind a step's masks: the finished video is what the last step has made.
   * @param {number} index @param {"step" | "finished"} under
   */
  backdropName(index, under) {
    const own = this.steps.get(index)?.frames ?? null;
    return under === "finished" || index === this.latest ? (this.video ?? own) : own;
  }

  /**
   * File name of the picture in full size behind a step's masks; null where the run has a small one only.
   * @param {number} index @param {"step" | "finished"} under @param {number} frame
   */
  fullName(index, under, frame) {
    const small = this.backdropName(index, under);
    return small !== null && small === this.video ? (this.full[frame] ?? null) : null;
  }

  /** A frame in full size, by the name of its file; undefined where it is not to be had. @param {string | null} name */
  async fullFrame(name) {
    if (!name || this.trouble) return undefined;
    // Without a word: the small picture is still there.
    return this.pictures.fullFrame(name).catch(() => undefined);
  }

  /** Frames, by the name of their file; undefined where there is none to be had. @param {string | null} name */
  async backdrop(name) {
    if (!name || this.trouble) return undefined;
    try {
      return await this.pictures.backdrop(name, this.scene);
    } catch (error) {
      if (this.#note(error)) this.#tell();
      return undefined;
    }
  }

  // ------------------------------------------------------------------------------------------------ inside

  /** Loads every step once, in order, so that areas and changes are known for all of the run. */
  async #fill() {
    if (this.#filling) return;
    this.#filling = true;
    try {
      for (;;) {
        const next = this.order.find((index) => !this.areas.has(index) && !this.isMissing(index));
        if (next === undefined || this.trouble || !this.#listeners.size) return;
        await this.masks(next);
        await new Promise((done) => setTimeout(done)); // let the page breathe between two pictures
      }
    } finally {
      this.#filling = false;
    }
  }

  /** @param {number} index @param {Uint8Array} masks */
  #measure(index, masks) {
    const characters = this.scene.names.length;
    const fresh = !this.areas.has(index);
    if (fresh) this.areas.set(index, areas(masks, characters));
    const place = this.order.indexOf(index);
    const neighbours = [
      [this.order[place - 1], index],
      [index, this.order[place + 1]],
    ];
    for (const [before, after] of neighbours) {
      if (before === undefined || after === undefined || this.changes.has(after)) continue;
      const one = before === index ? masks : this.masksAtHand(before);
      const other = after === index ? masks : this.masksAtHand(after);
      if (one && other) this.changes.set(after, changes(one, other, characters));
    }
    if (fresh) this.#tell();
  }

  /** Remembers what is wrong with the server; false where it is the picture. @param {unknown} error */
  #note(error) {
    if (error instanceof Gone) this.trouble = "gone";
    else if (error instanceof Unreachable) this.#tryAgain();
    else return false;
    return true;
  }

  #tryAgain() {
    if (this.trouble) return;
    this.trouble = "unreachable";
    setTimeout(() => {
      if (this.trouble === "unreachable") this.#renewed();
    }, PATIENCE);
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }
}
