// @ts-check
/** The timeline of a dialogue: what is shown and edited. No ComfyUI in it. */
import { make } from "../viewer/dom.js";
import { framesFor, inTurn, snapFrames, spread } from "./arrange.js";
import { Bar, ClipRow } from "./bar.js";
import { Gutter } from "./gutter.js";
import { History } from "./history.js";
import { takeFiles } from "./imports.js";
import { keyAction } from "./keys.js";
import * as model from "./model.js";
import { Player } from "./player.js";
import { chosen, listen, listenToDrops } from "./pointer.js";
import { Recorder } from "./recorder.js";
import { Screen, drawEditor, listClips } from "./screen.js";
import { Sounds } from "./sounds.js";
import { useDialogueStyle } from "./style.js";
import { toggleTake } from "./takes.js";
import { View } from "./view.js";
import { words } from "./words.js";

/** @typedef {import("./model.js").Dialogue} Dialogue */
/** @typedef {import("./model.js").Clip} Clip */
/**
 * @typedef {object} Host
 * @property {(file: string) => Promise<ArrayBuffer>} fetchFile
 * @property {(file: File) => Promise<string>} upload gives the name that it got
 * @property {(text: string, dialogue: Dialogue) => void} changed the JSON, after each edit
 * @property {() => {fps: number, length: number, guessed?: boolean}} film length: frames, 0 for as long as the dialogue;
 *   guessed: only a run tells one of them
 * @property {(count: number) => import("../viewer/types.js").Colour[]} [colours] of the lanes
 * @property {() => unknown} [links] what hangs on the lanes, kept for undo
 * @property {(links: any) => void} [relink]
 */
/** @typedef {{dialogue: Dialogue, links: unknown}} State */

export class DialogueEditor {
  /** @type {number | null} id of the clip that is selected */
  selected = null;
  playhead = 0;
  /** Ids of the only lanes that are heard while one listens. @type {Set<number>} */
  solo = new Set();
  /** @type {[number, number] | null} */
  looping = null;
  /** @type {number | undefined} */
  snap;
  /** @type {{lane: number, time: number} | undefined} */
  target;
  view = new View();
  /** @type {number | undefined} index of the lane that is recorded */
  recordingLane;
  /** What was said last, until the next edit. */
  remark = { text: "", alert: false };
  request = 0; // of the frame that will be drawn
  /** What the host knows. @type {Dialogue} */
  #told;
  /** Whether the text that was given is none that can be shown. */
  broken = false;

  /** @param {Host} host */
  constructor(host) {
    useDialogueStyle(document);
    this.host = host;
    this.words = words;
    this.sounds = new Sounds(host.fetchFile, () => this.#soundArrived());
    this.recorder = new Recorder();
    this.player = new Player(
      this.sounds,
      () => ({ dialogue: this.dialogue, solo: this.solo, to: this.end, loop: this.looping }),
      () => this.seek(0),
    );
    /** @type {History<State>} */
    this.history = new History({ dialogue: model.emptyDialogue((number) => this.words.say("character", { number })), links: null });
    this.#told = this.dialogue;
    this.element = make("div", { className: "interact-viewer interact-dialogue", role: "group" });
    Object.assign(this.element.dataset, { captureWheel: "true", testid: "interact-dialogue" }); // else ComfyUI zooms in here
    this.#build();
    this.unlisten = words.onLanguage(() => this.#build());
    listenToDrops(this);
    this.element.addEventListener("keydown", (event) => keyAction(this, event));
    this.element.addEventListener("pointerdown", (event) => this.bar.leave(event.target));
    this.element.addEventListener("pointerenter", () => this.requestDraw()); // the theme may have changed
    this.resizing = new ResizeObserver(() => this.requestDraw());
    this.resizing.observe(this.element);
  }

  #build() {
    this.status = make("span", { className: "interact-status" });
    this.time = make("span", { className: "interact-time" });
    this.news = make("div", { className: "interact-news", role: "status" });
    this.gutter = new Gutter(words, {
      change: (index, fields, kind) => this.edit(model.changeLane(this.dialogue, index, fields), kind),
      remove: (index) => this.edit(model.removeLane(this.dialogue, index)),
      move: (from, to) => this.edit(model.moveLane(this.dialogue, from, to)),
      solo: (index) => this.toggleSolo(index),
      record: (index) => void toggleTake(this, index),
      add: () => this.addLane(),
    });
    this.row = new ClipRow(words, {
      change: (fields, kind) => this.selected !== null && this.edit(model.changeClip(this.dialogue, this.selected, fields), kind),
      mute: () => this.#withChosen((clip) => model.changeClip(this.dialogue, clip.id, { mute: !clip.mute })),
      split: () => this.#withChosen((clip) => model.splitClip(this.dialogue, clip.id, this.playhead)),
      remove: () => this.#withChosen((clip) => model.removeClip(this.dialogue, clip.id)),
    });
    this.bar = new Bar(words, {
      play: () => this.play(!this.playing),
      loop: () => this.loop(this.looping ? null : this.loopOf()),
      zoom: (factor) => this.zoom(factor, this.view.width / 2),
      fit: () => this.fit(),
      inTurn: (pause) => this.edit(inTurn(this.dialogue, pause, this.fps)),
      spread: () => this.edit(spread(this.dialogue, this.host.film().length ? this.end : model.lastEnd(this.dialogue), this.fps)),
      addLane: () => this.addLane(),
      addFiles: (files) => void this.takeFiles(files, chosen(this)?.index ?? 0, this.playhead),
      undo: () => this.undo(),
      redo: () => this.redo(),
    });
    this.rulerCanvas = make("canvas", { "aria-hidden": "true" });
    this.ruler = make("div", { className: "interact-ruler" }, this.rulerCanvas);
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.options = make("div", { className: "interact-options", role: "presentation" });
    const list = { className: "interact-surface", tabIndex: 0, role: "listbox", "aria-label": words.say("clips") };
    this.surface = make("div", list, this.canvas, this.options);
    this.tracks = make("div", { className: "interact-tracks" }, this.gutter.element, this.surface);
    this.head = make("div", { className: "interact-playhead" });
    this.timeline = make("div", { className: "interact-timeline" }, make("span"), this.ruler, this.tracks, this.head);
    this.wide = make("div");
    this.scroller = make("div", { className: "interact-scroll", tabIndex: -1, "aria-hidden": "true" }, this.wide);
    this.scroller.addEventListener("scroll", () => this.#scrolled());
    this.tracks.addEventListener("scroll", () => this.requestDraw());
    this.screen = new Screen();
    this.element.setAttribute("aria-label", words.say("title"));
    this.element.replaceChildren(
      make("div", { className: "interact-head" }, this.status, this.time),
      this.timeline,
      this.scroller,
      this.row.element,
      this.bar.element,
      ...this.bar.sheets.map(({ sheet }) => sheet),
      this.news,
    );
    listen(this);
    this.#listed = undefined;
    this.requestDraw();
  }

  destroy() {
    this.unlisten();
    this.player.destroy();
    this.recorder.cancel();
    this.resizing?.disconnect();
    cancelAnimationFrame(this.request);
  }

  // ---------------------------------------------------------------------------------------- what there is

  get dialogue() {
    return this.history.now.dialogue;
  }

  get fps() {
    return Math.max(1, this.host.film().fps || 25);
  }

  get playing() {
    return this.player.playing;
  }

  get frames() {
    const { length } = this.host.film();
    return length ? snapFrames(length) : framesFor(model.lastEnd(model.heardOf(this.dialogue)), this.fps);
  }

  /** Seconds at which the film ends. */
  get end() {
    return this.frames / this.fps;
  }

  /** How far a clip can be trimmed. @param {Clip} clip */
  limits(clip) {
    return { least: 1 / this.fps, longest: this.sounds.seconds(clip.file) ?? clip.in + model.secondsOf(clip) };
  }

  // ---------------------------------------------------------------------------------------- what is done

  /** Shows a dialogue that comes from outside; it cannot be undone here. @param {string} text JSON */
  load(text) {
    const empty = /^\s*(\{\s*\})?\s*$/.test(text);
    const read = empty ? undefined : model.read(text);
    this.broken = !empty && !read;
    const dialogue = read ?? model.emptyDialogue((number) => this.words.say("character", { number }));
    this.stop();
    this.selected = null;
    this.history = new History({ dialogue: this.#timed(dialogue), links: null });
    this.#told = this.dialogue;
    this.remark = { text: "", alert: false };
    this.sounds.retry();
    this.view.fit();
    this.requestDraw();
    return this.dialogue;
  }

  /** @param {Dialogue} next @param {string} [kind] as History.push */
  edit(next, kind) {
    if (next === this.dialogue) return;
    this.broken = false;
    this.history.now.links = this.host.links?.();
    this.history.push({ dialogue: next, links: null }, kind);
    this.#changed();
    if (kind !== "drag") this.#announceChosen();
  }

  /** A drag has ended. */
  settle() {
    this.history.settle();
    this.view.held = false;
    if (this.#told !== this.dialogue) this.#tellHost();
    this.snap = undefined;
    this.#announceChosen();
    this.requestDraw();
  }

  undo = () => this.#restore(() => this.history.undo());
  redo = () => this.#restore(() => this.history.redo());

  /** Lanes that come back bring their links. @param {() => State | undefined} go */
  #restore(go) {
    const lanes = model.idsOf(this.dialogue);
    this.history.now.links = this.host.links?.();
    const state = go();
    if (!state) return;
    this.#changed();
    if (state.links && model.idsOf(state.dialogue) !== lanes) this.host.relink?.(state.links);
  }

  #tellHost() {
    this.#told = this.dialogue;
    this.host.changed(model.write(this.dialogue), this.dialogue);
  }

  #changed() {
    if (!this.view.held) this.#tellHost(); // a drag does at its end
    if (this.selected !== null && !chosen(this)) this.selected = null;
    if (this.playing) void this.player.play(this.player.time);
    this.remark = { text: "", alert: false };
    this.requestDraw();
  }

  addLane() {
    const { lanes } = this.dialogue;
    if (lanes.length >= model.MOST_LANES) return this.say("tooManyLanes");
    return this.edit(model.addLane(this.dialogue, this.words.say("character", { number: lanes.length + 1 })));
  }

  /** @param {(clip: Clip) => Dialogue} edited */
  #withChosen(edited) {
    const found = chosen(this);
    if (found) this.edit(edited(found.clip));
  }

  /** @param {File[]} files @param {number} lane @param {number} time */
  async takeFiles(files, lane, time) {
    await takeFiles(this, files, Math.min(lane, this.dialogue.lanes.length - 1), time);
  }

  // ---------------------------------------------------------------------------------------- looking, listening

  /** @param {number | null} id */
  select(id) {
    this.selected = id;
    this.#announceChosen();
    this.requestDraw();
  }

  /** @param {number} time */
  seek(time) {
    this.playhead = Math.max(0, time);
    if (this.playing) void this.player.play(this.playhead);
    this.requestDraw();
  }

  /** @param {boolean} on */
  play(on) {
    if (on && this.playhead >= this.end - 1e-3) this.playhead = 0;
    if (on) void this.player.play(this.playhead).then(() => this.requestDraw());
    else this.stop();
  }

  stop() {
    if (this.playing) this.playhead = this.player.time;
    this.player.stop();
    this.requestDraw();
  }

  /** @param {[number, number] | null} span */
  loop(span) {
    this.looping = span;
    if (this.playing) void this.player.play(this.player.time);
    this.requestDraw();
  }

  /** What would be looped: the clip that is selected, else the film. @returns {[number, number]} */
  loopOf() {
    const clip = chosen(this)?.clip;
    return clip ? [clip.start, model.endOf(clip)] : [0, this.end];
  }

  /** @param {number} index */
  toggleSolo(index) {
    const { id } = this.dialogue.lanes[index];
    if (!this.solo.delete(id)) this.solo.add(id);
    if (this.playing) void this.player.play(this.player.time);
    this.requestDraw();
  }

  /** @param {number} factor @param {number} x */
  zoom(factor, x) {
    this.view.zoom(factor, x);
    this.requestDraw();
  }

  fit() {
    this.view.fit();
    this.requestDraw();
  }

  #scrolled() {
    const left = this.scroller.scrollLeft / this.view.scale;
    if (Math.abs(left - this.view.left) * this.view.scale < 1) return;
    this.view.scroll(left);
    this.requestDraw();
  }

  // ---------------------------------------------------------------------------------------- what is said

  /** @param {import("./words.js").Word} word @param {Record<string, string | number>} [values] */
  say(word, values) {
    this.tell(this.words.say(word, values), true);
  }

  /** @param {string} text @param {boolean} [alert] */
  tell(text, alert = false) {
    this.remark = { text, alert };
    this.news.textContent = text;
    this.requestDraw();
  }

  #announceChosen() {
    const found = chosen(this);
    if (!found) return;
    const { clip, lane } = found;
    const name = clip.label || clip.file;
    const values = { name, lane: lane.name, start: clip.start.toFixed(2), frame: Math.round(clip.start * this.fps) + 1 };
    this.news.textContent = this.words.say("moved", values);
  }

  #soundArrived() {
    const timed = this.#timed(this.dialogue);
    if (timed !== this.dialogue) this.#told = this.history.now.dialogue = timed;
    this.requestDraw();
  }

  /** @param {Dialogue} dialogue */
  #timed(dialogue) {
    const made = model.timed(dialogue, (file) => this.sounds.seconds(file));
    return made.lanes.every((lane, at) => lane === dialogue.lanes[at]) ? dialogue : made;
  }

  // ---------------------------------------------------------------------------------------- drawing

  requestDraw() {
    if (this.request) return;
    this.request = requestAnimationFrame(() => {
      this.request = 0;
      this.draw();
    });
  }

  draw() {
    if (this.playing) {
      this.playhead = this.player.time;
      this.view.reveal(this.playhead);
    }
    if (this.recorder.recording || this.playing) this.requestDraw();
    drawEditor(this);
    const clips = this.dialogue;
    if (this.view.held) return; // the list is for those who read it, and long
    if (this.#listed !== clips || this.#listedChoice !== this.selected) listClips(this, this.#listed !== clips);
    this.#listed = clips;
    this.#listedChoice = this.selected;
  }

  /** @type {Dialogue | undefined} */
  #listed;
  /** @type {number | null | undefined} */
  #listedChoice;
}
