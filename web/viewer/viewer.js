// @ts-check
import { videoFramesOf } from "./atlas.js";
import { Controls } from "./controls.js";
import { make, tellAgain } from "./dom.js";
import { Head } from "./head.js";
import { keyAction } from "./keys.js";
import { Legend } from "./legend.js";
import { OverlapLane } from "./overlap_lane.js";
import { Painter } from "./painter.js";
import { characterColours } from "./palette.js";
import { Playback } from "./playback.js";
import { DEFAULTS, recalled } from "./preferences.js";
import { savePicture, saveSheet, saveVideo } from "./save.js";
import { Stage } from "./stage.js";
import { Strip } from "./strip.js";
import { useStyle } from "./style.js";
import { Views } from "./views.js";
import { Waves } from "./waves.js";
import { changedSince, onLanguage, say, status } from "./words.js";

/** @typedef {import("./types.js").Colour} Colour */
/** @typedef {import("./types.js").Preferences} Preferences */
/** @typedef {import("./run_store.js").RunStore} RunStore */
/**
 * @typedef {object} Host What the viewer stands in can do.
 * @property {(preferences: Preferences) => void} [remember]
 * @property {(run: RunStore) => Promise<void>} [stop] a run that is sampled now
 * @property {(run: RunStore) => Promise<boolean>} [next] queues the graph with another seed; false where it finds none
 */

const SAVES = { picture: savePicture, video: saveVideo, sheet: saveSheet };

/** The masks of a run: a picture to scrub through, the run as a strip, and who speaks when. No ComfyUI in it. */
export class MaskViewer {
  /** @type {RunStore | undefined} */
  run;
  /** A run that is shown beside the next ones. @type {RunStore | undefined} */
  kept;
  /** @type {number | undefined} the denoising step that is shown */
  step;
  /** The latent frame that is shown. */
  frame = 0;
  /** The other one of two steps. @type {number | undefined} */
  pinned;
  /** Whether the newest step is shown as it comes. */
  following = true;

  /** @type {Preferences} */
  preferences = { ...DEFAULTS };
  /** @type {Colour[]} */
  #colours = [];
  /** Instead of a run. @type {import("./words.js").Word | null} */
  #notice = null;
  /** Titles of nodes that have changed since the run that is shown. @type {string[]} */
  #changedNodes = [];
  /** What does not work. @type {import("./words.js").Word | null} */
  #complaint = null;
  #announced = "";
  #request = 0;
  #leave = () => {};

  /** @param {Host} [host] */
  constructor(host = {}) {
    useStyle(document);
    this.host = host;
    this.painter = new Painter();
    this.playback = new Playback(this);
    this.views = new Views(this);
    this.head = new Head({
      follow: () => this.follow(),
      unloop: () => this.playback.loop(null),
      fill: () => this.fill(),
      stop: host.stop && (() => void this.stopRun(false)),
      next: host.stop && host.next && (() => void this.stopRun(true)),
    });
    this.news = make("div", { className: "interact-news", role: "status" });
    this.legend = new Legend((character, alone) => this.#toggle(character, alone));
    this.stage = new Stage(
      this.painter,
      (reading) => this.legend.read(reading),
      () => this.requestDraw(),
    );
    this.strip = new Strip((step, pinned) => (pinned ? this.pin(step) : this.goTo({ step })));
    this.overlaps = new OverlapLane((frame) => this.scrub(frame), this.stage.warning);
    this.waves = new Waves({
      go: (frame) => this.scrub(frame),
      hear: (character) => this.playback.hear(character),
      loop: (span) => this.playback.loop(span),
    });
    this.controls = new Controls({
      play: () => this.play(!this.playing),
      mute: () => this.prefer({ sound: !this.preferences.sound }),
      prefer: (change) => this.prefer(change),
      keepRun: () => this.keepRun(),
      save: (what) => void this.save(what),
    });
    this.element = make(
      "div",
      { className: "interact-viewer", tabIndex: 0, role: "group", said: { "aria-label": "viewer" } },
      this.head.element,
      this.stage.element,
      this.legend.element,
      this.strip.element,
      this.overlaps.element,
      this.waves.element,
      this.controls.element,
      this.controls.view.sheet,
      this.controls.save.sheet,
      this.news,
    );
    this.element.dataset.captureWheel = "true"; // else ComfyUI zooms while one scrolls a list in here
    this.element.dataset.testid = "interact-viewer";
    this.#listen();
    this.requestDraw();
  }

  #listen() {
    this.element.addEventListener("keydown", (event) => keyAction(this, event));
    this.element.addEventListener("pointerdown", (event) => {
      this.controls.leave(event.target);
      const control =
        event.target instanceof Element && event.target.closest("button, input, label, [tabindex]");
      if (!control || control === this.element) this.element.focus({ preventScroll: true });
      // Else the node around would be dragged.
      if (this.isFilling || (event.target === this.stage.canvas && this.stage.gestures.takesPointer))
        event.stopPropagation();
    });
    this.element.addEventListener("fullscreenchange", () => {
      this.head.setFilling(this.isFilling);
      this.#refresh();
    });
    this.resizing = new ResizeObserver(() => this.#refresh());
    this.resizing.observe(this.element);
    // ComfyUI's theme is a style of the page, or a class of it.
    this.theming = new MutationObserver(() => this.#refresh());
    for (const place of [document.documentElement, document.body])
      this.theming.observe(place, { attributes: true, attributeFilter: ["style", "class"] });
    this.forgetLanguage = onLanguage(() => {
      tellAgain(this.element);
      this.#refresh();
    });
  }

  #refresh() {
    for (const lane of [this.strip, this.overlaps, this.waves]) lane.invalidate();
    this.requestDraw();
  }

  destroy() {
    this.playback.destroy();
    this.#leave();
    this.resizing?.disconnect();
    this.theming?.disconnect();
    this.forgetLanguage?.();
    cancelAnimationFrame(this.#request);
    this.views.clear();
  }

  // -------------------------------------------------------------------------------------- what is shown

  /** Numbers of the characters that are switched on. */
  get visible() {
    return this.#visibleOf(this.run);
  }

  get colours() {
    return this.#colours;
  }

  /** @param {RunStore | undefined} run */
  #visibleOf(run) {
    const { hidden } = this.preferences;
    return (run?.scene.names ?? []).flatMap((name, number) => (hidden.includes(name) ? [] : [number]));
  }

  /** Shows a run from its newest step on; undefined for none. @param {RunStore | undefined} run */
  show(run) {
    if (run === this.run) return;
    this.play(false);
    this.#leave();
    this.run = run;
    this.#notice = null;
    this.#changedNodes = [];
    this.#complaint = null;
    this.playback.renew();
    this.views.clear();
    this.#colours = characterColours(run?.scene.names.length ?? 0);
    this.following = true;
    this.step = this.pinned = undefined;
    this.#leave = () => {};
    if (!run) return this.requestDraw();
    this.frame = Math.min(this.frame, run.scene.grid[0] - 1);
    this.#leave = run.listen(() => this.#changed());
    this.#changed();
  }

  /** Says why there is nothing, as long as there is no run. @param {import("./words.js").Word} what */
  say(what) {
    this.#notice = what;
    this.requestDraw();
  }

  /** Says which nodes have changed since the run that is shown. @param {string[]} titles none for an equal graph */
  remark(titles) {
    this.#changedNodes = titles;
    this.requestDraw();
  }

  #changed() {
    const { run } = this;
    if (!run) return;
    if (this.following || this.step === undefined) this.step = run.latest;
    if (this.preferences.show === "steps") this.#choosePinned();
    this.requestDraw();
  }

  /** @param {{step?: number, frame?: number}} place the step nearest to that number */
  goTo({ step, frame }) {
    const { run } = this;
    if (!run) return;
    if (step !== undefined) {
      this.step = run.nearest(step);
      this.following = this.step === run.latest;
    }
    if (frame !== undefined) this.frame = Math.min(Math.max(frame, 0), run.scene.grid[0] - 1);
    this.requestDraw();
  }

  /** Goes so many recorded steps on. @param {number} count @param {boolean} [pinned] the other one of two */
  stride(count, pinned = false) {
    const { run } = this;
    if (!run?.order.length) return;
    const place = run.order.indexOf((pinned ? this.pinned : this.step) ?? run.order[0]) + count;
    const step = run.order[Math.min(Math.max(place, 0), run.order.length - 1)];
    if (pinned) this.pin(step);
    else this.goTo({ step });
  }

  /** @param {number} step the other one of two steps */
  pin(step) {
    this.pinned = this.run?.nearest(step);
    this.requestDraw();
  }

  #choosePinned() {
    const { run } = this;
    if (this.pinned === undefined && run?.order.length) this.pinned = run.order[0];
  }

  /** Keeps the run that is shown, to have it beside the next one. */
  keepRun() {
    this.kept = this.run;
    this.prefer({ show: "runs" });
  }

  follow() {
    if (this.run?.latest !== undefined) this.goTo({ step: this.run.latest });
  }

  /** @param {Partial<Preferences>} change */
  prefer(change) {
    this.preferences = { ...this.preferences, ...change };
    this.playback.prefer();
    if (this.preferences.show === "steps") this.#choosePinned();
    else this.pinned = undefined;
    if (this.preferences.show !== "runs") this.kept = undefined;
    this.host.remember?.(this.preferences);
    this.requestDraw();
  }

  /** Takes over what a saved workflow remembers. @param {any} preferences */
  recall(preferences) {
    this.preferences = recalled(this.preferences, preferences);
    this.#changed();
    this.requestDraw();
  }

  /** @param {number} character @param {boolean} alone */
  #toggle(character, alone) {
    const names = this.run?.scene.names ?? [];
    const name = names[character];
    const { hidden } = this.preferences;
    const others = names.filter((other) => other !== name);
    if (alone) this.prefer({ hidden: others.every((other) => hidden.includes(other)) ? [] : others });
    else
      this.prefer({ hidden: hidden.includes(name) ? hidden.filter((h) => h !== name) : [...hidden, name] });
  }

  get playing() {
    return this.playback.playing;
  }

  /** Plays the frames at the speed of the video, over and over. @param {boolean} on */
  play(on) {
    this.playback.play(on);
    if (!on) this.waves.point(null);
  }

  /** Goes to a frame that somebody looks for, and lets it be heard. @param {number} frame */
  scrub(frame) {
    const before = this.frame;
    this.goTo({ frame });
    if (this.frame !== before) this.playback.seek(this.frame);
  }

  get isFilling() {
    return document.fullscreenElement === this.element;
  }

  /** Fills the screen, or no longer. */
  fill() {
    if (this.isFilling) void document.exitFullscreen();
    else this.element.requestFullscreen?.().catch(() => {}); // the page may not be allowed to
  }

  /** Whether pictures in full size are worth fetching. */
  get looksClosely() {
    return !this.playing && (this.isFilling || !this.stage.lens.isWhole);
  }

  /** Stops the run that is being sampled. @param {boolean} again and begins one with the next seed */
  async stopRun(again) {
    const { run, host } = this;
    if (!run || !host.stop || (again && !host.next) || !this.head.mayStop(run.run)) return;
    this.requestDraw();
    try {
      await host.stop(run);
      if (again && !(await host.next?.(run))) this.complain("noSeed");
    } catch {
      this.head.stayed();
      this.complain("notStopped");
    }
  }

  // --------------------------------------------------------------------------------------------- drawing

  requestDraw() {
    this.#request ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.#request);
    this.#request = 0;
    if (!this.element.isConnected) return;
    const { run, step, playback, preferences, visible } = this;
    this.painter.font = getComputedStyle(this.element).fontFamily;
    const { text, tone } = status(run, step, this.following);
    const remark = changedSince(this.#changedNodes) + (this.#complaint ? `${say(this.#complaint)}. ` : "");
    const instead = this.#notice && say(this.#notice);
    this.#setStatus(run ? remark + text : (instead ?? text), remark ? "alert" : tone);
    this.head.update(run, videoFramesOf(this.frame)[0], this.following, playback.span);
    this.controls.update(preferences, step !== undefined, Boolean(run?.sounds));
    this.legend.update(run?.scene.names ?? [], this.#colours, visible);
    this.strip.update(run, step, this.pinned, visible, this.#colours);
    this.waves.update(run, this.frame, visible, this.#colours, playback.solo, playback.span);
    const view = this.views.draw(this.stage, this.#notice);
    if (view !== null) this.overlaps.update(run, view, preferences.overlaps);
  }

  /** What all views of a run have in common. */
  look(run = /** @type {RunStore} */ (this.run)) {
    const { mode, opacity, names, contested, unclaimed, onion } = this.preferences;
    const { scene } = run;
    const colours = run === this.run ? this.#colours : characterColours(scene.names.length);
    return { scene, visible: this.#visibleOf(run), colours, mode, opacity, names, contested, unclaimed, onion };
  }

  /** Something does not work; null takes it back. @param {import("./words.js").Word | null} what */
  complain(what) {
    this.#complaint = what;
    this.requestDraw();
  }

  /** @param {string} text @param {string} tone */
  #setStatus(text, tone) {
    this.head.say(text, tone);
    // Said aloud only when the run changes its state, not with every step that one scrubs over.
    const state = `${this.run?.run} ${this.run?.state} ${this.run?.trouble}`;
    if (this.#announced === state) return;
    this.#announced = state;
    this.news.textContent = text;
  }

  // ---------------------------------------------------------------------------------------------- saving

  /** @param {"picture" | "video" | "sheet"} what */
  async save(what) {
    const { run, step } = this;
    if (!run || step === undefined) return;
    this.head.setBusy(what === "video");
    try {
      await SAVES[what](this, run, step);
    } catch (error) {
      this.news.textContent = String(error instanceof Error ? error.message : error);
      this.head.say(this.news.textContent, "alert");
    } finally {
      this.head.setBusy(false);
    }
  }
}
