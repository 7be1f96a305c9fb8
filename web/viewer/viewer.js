// @ts-check
import { videoFramesOf } from "./atlas.js";
import { Controls } from "./controls.js";
import { make, tell, tellAgain } from "./dom.js";
import { keyAction } from "./keys.js";
import { Legend } from "./legend.js";
import { Painter } from "./painter.js";
import { characterColours } from "./palette.js";
import { panesOf } from "./panes.js";
import { Playback } from "./playback.js";
import { savePicture, saveSheet, saveVideo } from "./save.js";
import { Stage } from "./stage.js";
import { Strip } from "./strip.js";
import { useStyle } from "./style.js";
import { Views } from "./views.js";
import { Waves } from "./waves.js";
import { changedSince, noMasks, onLanguage, say, seconds, status } from "./words.js";

/** @typedef {import("./types.js").Colour} Colour */
/** @typedef {import("./types.js").Preferences} Preferences */
/** @typedef {import("./run_store.js").RunStore} RunStore */

/** @type {Preferences} */
const DEFAULTS = {
  mode: "soft",
  show: "predicted",
  opacity: 0.55,
  backdrop: true,
  under: "step",
  names: true,
  sound: true,
  volume: 1,
  hidden: [],
};

/** The masks of a run: a picture to scrub through, the run as a strip, and who speaks when. No ComfyUI in it. */
export class MaskViewer {
  /** @type {RunStore | undefined} */
  run;
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

  /** @param {{remember?: (preferences: Preferences) => void}} [host] */
  constructor({ remember = () => {} } = {}) {
    useStyle(document);
    this.remember = remember;
    this.painter = new Painter();
    this.status = make("span", { className: "interact-status" });
    this.time = make("span", { className: "interact-time" });
    this.live = make("button", {
      type: "button",
      className: "interact-live",
      said: { textContent: "live", title: "liveHint" },
      onclick: () => this.follow(),
    });
    this.loop = make("button", {
      type: "button",
      className: "interact-loop",
      hidden: true,
      said: { textContent: ["loop", { from: "", to: "" }], title: "loopHint" },
      onclick: () => this.playback.loop(null),
    });
    this.playback = new Playback(this);
    this.views = new Views(this);
    this.news = make("div", { className: "interact-news", role: "status" });
    this.legend = new Legend((character, alone) => this.#toggle(character, alone));
    this.stage = new Stage(this.painter, (values) => this.legend.read(values));
    this.strip = new Strip((step, pinned) => (pinned ? this.pin(step) : this.goTo({ step })));
    this.waves = new Waves({
      go: (frame) => this.scrub(frame),
      hear: (character) => this.playback.hear(character),
      loop: (span) => this.playback.loop(span),
    });
    this.controls = new Controls({
      play: () => this.play(!this.playing),
      mute: () => this.prefer({ sound: !this.preferences.sound }),
      prefer: (change) => this.prefer(change),
      save: (what) => void this.save(what),
    });
    this.element = make(
      "div",
      { className: "interact-viewer", tabIndex: 0, role: "group", said: { "aria-label": "viewer" } },
      make("div", { className: "interact-head" }, this.status, this.live, this.loop, this.time),
      this.stage.element,
      this.legend.element,
      this.strip.element,
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
    this.strip.invalidate();
    this.waves.invalidate();
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
    const names = this.run?.scene.names ?? [];
    return names.flatMap((name, number) => (this.preferences.hidden.includes(name) ? [] : [number]));
  }

  get colours() {
    return this.#colours;
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

  follow() {
    if (this.run?.latest !== undefined) this.goTo({ step: this.run.latest });
  }

  /** @param {Partial<Preferences>} change */
  prefer(change) {
    this.preferences = { ...this.preferences, ...change };
    this.playback.prefer();
    if (this.preferences.show === "steps") this.#choosePinned();
    else this.pinned = undefined;
    this.remember(this.preferences);
    this.requestDraw();
  }

  /** Takes over what a saved workflow remembers. @param {any} preferences */
  recall(preferences) {
    for (const [key, value] of Object.entries(DEFAULTS)) {
      const saved = preferences?.[key];
      if (typeof saved === typeof value && Array.isArray(saved) === Array.isArray(value))
        this.preferences = { ...this.preferences, [key]: saved };
    }
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

  // --------------------------------------------------------------------------------------------- drawing

  requestDraw() {
    this.#request ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.#request);
    this.#request = 0;
    if (!this.element.isConnected) return;
    const { run, step } = this;
    this.painter.font = getComputedStyle(this.element).fontFamily;
    const { text, tone } = status(run, step, this.following);
    const remark = changedSince(this.#changedNodes) + (this.#complaint ? `${say(this.#complaint)}. ` : "");
    const instead = this.#notice && say(this.#notice);
    this.#setStatus(run ? remark + text : (instead ?? text), remark ? "alert" : tone);
    this.live.hidden = run?.state !== "sampling" || this.following;
    this.time.textContent = run ? seconds(videoFramesOf(this.frame)[0], run.scene.fps) : "";
    this.#tellLoop();
    this.controls.update(this.preferences, step !== undefined, Boolean(run?.sounds));
    const { visible } = this;
    this.legend.update(run?.scene.names ?? [], this.#colours, visible);
    this.strip.update(run, step, this.pinned, visible, this.#colours);
    this.waves.update(run, this.frame, visible, this.#colours, this.playback.solo, this.playback.span);
    this.#drawStage();
  }

  #tellLoop() {
    const { span } = this.playback;
    this.loop.hidden = !span;
    if (!span) return;
    const [from, to] = [span.from, span.to].map((at) => at.toFixed(2));
    tell(this.loop, { textContent: ["loop", { from, to }] });
  }

  #drawStage() {
    const { run, step } = this;
    if (!run || step === undefined) {
      const words = this.#notice ? say(this.#notice) : status(run, step, this.following).text;
      return this.stage.draw([], words, run || this.#notice ? "" : say("waitingHint"));
    }
    const panes = panesOf(this, run, step);
    const views = panes.map((pane) => this.views.of(run, pane));
    const lacking = panes.map(({ source }, at) => source !== undefined && !views[at].masks);
    const missing = panes.some(({ source }, at) => lacking[at] && run.isMissing(source ?? 0));
    // Until the masks of a step are here, the step before stays: a flash of nothing would be worse.
    if (lacking.includes(true) && !missing && !run.trouble)
      return this.stage.isEmpty ? this.stage.draw([], say("loading")) : undefined;
    this.views.keep(run, panes);
    if (!lacking.includes(true)) return this.stage.draw(views, panes.length < 2 ? panes[0].words : "");
    this.stage.draw([], run.trouble ? say(run.trouble) : noMasks(run, step));
  }

  /** What all views have in common. */
  look() {
    const { mode, opacity, names } = this.preferences;
    const { scene } = /** @type {RunStore} */ (this.run);
    return { scene, visible: this.visible, colours: this.#colours, mode, opacity, names };
  }

  /** Something does not work; null takes it back. @param {import("./words.js").Word | null} what */
  complain(what) {
    this.#complaint = what;
    this.requestDraw();
  }

  /** @param {string} text @param {string} tone */
  #setStatus(text, tone) {
    if (this.status.textContent !== text) this.status.textContent = this.status.title = text;
    this.status.dataset.tone = tone;
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
    const save = { picture: savePicture, video: saveVideo, sheet: saveSheet }[what];
    this.status.dataset.busy = what === "video" ? say("recording") : "";
    try {
      await save(this, run, step);
    } catch (error) {
      this.news.textContent = this.status.title = String(error instanceof Error ? error.message : error);
      this.status.textContent = this.news.textContent;
    } finally {
      delete this.status.dataset.busy;
    }
  }
}
