// @ts-check
/** The people of a start image, to be named, ordered, merged and left out. No ComfyUI in it. */
import { History } from "../dialogue/history.js";
import { Sheet, make } from "../viewer/dom.js";
import { keyAction } from "./keys.js";
import * as model from "./model.js";
import { Picture } from "./picture.js";
import { Rows, button } from "./rows.js";
import { usePeopleStyle } from "./style.js";
import { keyHelp, words } from "./words.js";

/** @typedef {import("./model.js").Edits} Edits */
/** @typedef {import("./model.js").View} View */
/** @typedef {import("./words.js").Word} Word */
/**
 * @typedef {object} Host
 * @property {(text: string) => void} changed the JSON, after each edit
 * @property {() => void} find runs what finds the people
 * @property {(picture: View["picture"]) => string} addressOf
 */

export class PeopleEditor {
  /** @type {View | undefined} */
  view;
  /** @type {number | null} index of the person that is selected */
  selected = null;
  /** @type {number | null} index of the person that somebody is merged into next */
  merging = null;
  /** Whether what was found is of other inputs. */
  stale = false;
  /** Whether the text that was given is none that can be shown. */
  broken = false;
  /** Whether the picture could not be loaded. */
  gone = false;
  /** What was said last, until the next edit. */
  remark = "";
  /** @type {History<Edits>} */
  history = new History(model.NOBODY);

  /** @param {Host} host */
  constructor(host) {
    usePeopleStyle(document);
    this.host = host;
    this.element = make("div", { className: "interact-viewer interact-people", role: "group" });
    Object.assign(this.element.dataset, { captureWheel: "true", testid: "interact-people" }); // else ComfyUI zooms in here
    this.picture = new Picture({ click: (found) => this.clickFound(found), gone: () => this.#lose() });
    this.rows = new Rows({
      select: (index) => this.clickRow(index),
      rename: (index, name) => this.rename(index, name),
      move: (index, by) => this.move(index, by),
      merge: (index) => this.startMerging(index),
      part: (index) => this.edit(model.part(this.lineup, index)),
      drop: (index) => this.drop(index),
      back: (index) => this.edit(model.bringBack(this.lineup, index)),
    });
    this.#build();
    this.unlisten = words.onLanguage(() => this.#build());
    this.element.addEventListener("keydown", (event) => keyAction(this, event));
    this.element.addEventListener("pointerdown", (event) => this.help.leave(event.target));
  }

  #build() {
    this.status = make("span", { className: "interact-status", role: "status" });
    this.stage = make("div", { className: "interact-stage" }, this.picture.element);
    this.hint = make("div", { className: "interact-words" }, make("span", { textContent: words.say("before") }));
    this.hint.append(make("small", { textContent: words.say("beforeMore") }));
    this.stage.append(this.hint);
    const keys = keyHelp().flatMap(([key, text]) => [make("dt", { textContent: key }), make("dd", { textContent: text })]);
    this.help = new Sheet(
      { textContent: words.say("help") },
      { "aria-label": words.say("help") },
      make("dl", { className: "interact-keys" }, ...keys),
    );
    this.undoButton = button("↶", words.say("undo"), () => this.undo(), "interact-arrow");
    this.redoButton = button("↷", words.say("redo"), () => this.redo(), "interact-arrow");
    this.over = button(words.say("over"), words.say("overHint"), () => this.edit(model.NOBODY));
    const find = button(words.say("find"), words.say("findHint"), () => this.host.find(), "interact-find");
    find.setAttribute("aria-label", words.say("find"));
    const gap = make("span", { className: "interact-gap" });
    this.element.setAttribute("aria-label", words.say("title"));
    this.element.replaceChildren(
      make("div", { className: "interact-head" }, this.status),
      this.stage,
      this.rows.element,
      make("div", { className: "interact-controls" }, find, this.undoButton, this.redoButton, gap, this.over, this.help.button),
      this.help.sheet,
    );
    this.draw();
  }

  destroy() {
    this.unlisten();
  }

  get lineup() {
    return model.lineUp(this.history.now, this.view);
  }

  // ------------------------------------------------------------------------------------- from the node

  /** @param {string} text the JSON, of a workflow that was opened */
  load(text) {
    const edits = model.read(text);
    this.broken = edits === undefined;
    this.history = new History(edits ?? model.NOBODY);
    this.selected = this.merging = null;
    this.remark = "";
    this.draw();
  }

  /** @param {View} view what a run has found @param {boolean} [stale] */
  show(view, stale = false) {
    if (view?.format !== model.FORMAT) return;
    [this.view, this.stale, this.gone, this.remark] = [view, stale, false, ""];
    this.selected = this.merging = null;
    this.draw();
  }

  /** What was found is of other inputs than those that there are now. */
  outdate() {
    if (this.stale || !this.view) return;
    [this.stale, this.remark] = [true, ""];
    this.draw();
  }

  #lose() {
    this.gone = true;
    this.draw();
  }

  // ------------------------------------------------------------------------------------------- edits

  /** @param {Edits} edits @param {string} [said] what became of it */
  edit(edits, said) {
    this.history.push(edits);
    this.#changed(said);
  }

  undo = () => this.history.undo() && this.#changed();
  redo = () => this.history.redo() && this.#changed();

  /** @param {string} [said] */
  #changed(said = "") {
    this.broken = false;
    this.remark = said;
    this.merging = null;
    if (this.selected !== null && this.selected >= this.lineup.people.length) this.selected = null;
    this.host.changed(model.write(this.history.now));
    this.draw();
  }

  /** @param {number} index @param {string} name */
  rename(index, name) {
    const { lineup } = this;
    if (!lineup.people[index] || name.trim() === lineup.people[index].name) return;
    const other = model.nameFor(lineup, index, name);
    const taken = other !== name.trim();
    this.edit(model.rename(lineup, index, name), taken ? words.say("namesake", { name: name.trim(), other }) : undefined);
  }

  /** @param {number} index @param {number} by */
  move(index, by) {
    const { lineup } = this;
    const to = index + by;
    if (!lineup.people[index] || to < 0 || to >= lineup.people.length) return;
    const what = this.rows.focused?.what;
    this.selected = to;
    this.edit(model.move(lineup, index, to), words.say("moved", { name: lineup.people[index].called, number: to + 1 }));
    if (what) this.rows.focus(to, what);
  }

  /** @param {number} index */
  drop(index) {
    const { lineup } = this;
    if (!lineup.people[index] || lineup.people.length < 2) return;
    const focused = this.rows.focused;
    this.selected = null;
    this.edit(model.drop(lineup, index), words.say("dropped", { name: lineup.people[index].called }));
    if (focused) this.rows.focus(Math.min(index, lineup.people.length - 2), "button");
  }

  /** The one that is clicked next belongs to this person. @param {number} index */
  startMerging(index) {
    if (this.lineup.people.length < 2) return;
    this.merging = this.merging === index ? null : index;
    this.selected = index;
    this.remark = "";
    this.draw();
    this.rows.focus(index, "button");
  }

  cancelMerging() {
    this.merging = null;
    this.draw();
  }

  /** @param {number} index of the list */
  clickRow(index) {
    if (this.#mergeWith(index) || this.selected === index) return;
    const focused = this.rows.focused;
    this.selected = index;
    this.draw();
    if (focused) this.rows.focus(focused.index, focused.what);
  }

  /** @param {number} found on the picture; somebody who was left out comes back */
  clickFound(found) {
    const { lineup } = this;
    const index = lineup.people.findIndex((person) => person.found.includes(found));
    const left = lineup.dropped.findIndex((one) => one.found === found);
    if (index < 0 && left >= 0) return this.edit(model.bringBack(lineup, left));
    if (index < 0 || this.#mergeWith(index)) return undefined;
    this.selected = index;
    this.draw();
    return this.rows.focus(index);
  }

  /** @param {number} index @returns {boolean} whether somebody was to be merged */
  #mergeWith(index) {
    const { lineup, merging } = this;
    if (merging === null || merging === index) return false;
    this.selected = merging - (index < merging ? 1 : 0);
    this.edit(model.merge(lineup, merging, index), words.say("merged", { name: lineup.people[merging].called }));
    return true;
  }

  // ----------------------------------------------------------------------------------------- drawing

  draw() {
    const { lineup, view } = this;
    const focused = this.rows.focused;
    this.picture.element.style.display = view && !this.gone ? "" : "none";
    this.hint.hidden = Boolean(view) && !this.gone;
    if (view) this.picture.show(view, this.host.addressOf(view.picture), lineup, { selected: this.selected, merging: this.merging !== null });
    this.rows.show(lineup, view, this.selected);
    if (focused) this.#refocus(focused);
    const { text, alert } = this.remark ? { text: this.remark, alert: false } : this.#state(lineup);
    if (this.status.textContent !== text) this.status.textContent = text;
    this.status.dataset.tone = alert ? "alert" : "quiet";
    this.undoButton.disabled = !this.history.canUndo;
    this.redoButton.disabled = !this.history.canRedo;
    this.over.disabled = this.history.now === model.NOBODY && !this.broken;
  }

  /** The list is made anew; who types goes on typing where they were. @param {{index: number, what: "input" | "button"}} place */
  #refocus({ index, what }) {
    const there = this.rows.element.children[index]?.querySelector(what);
    if (there instanceof HTMLElement) there.focus({ preventScroll: true });
  }

  /** @param {import("./model.js").Lineup} lineup @returns {{text: string, alert: boolean}} */
  #state({ people }) {
    const { view } = this;
    const alert = (/** @type {Word} */ word, /** @type {Record<string, any>} */ values = {}) => ({ text: words.say(word, values), alert: true });
    if (this.broken) return alert("broken");
    if (this.merging !== null) return { text: words.say("mergeWith", { name: people[this.merging].called }), alert: false };
    if (!view) return { text: people.length ? words.say("known", { count: people.length }) : words.say("title"), alert: false };
    if (this.gone) return alert("gone");
    const lost = people.find(({ at, found }) => found.length < at.length);
    if (lost) return alert("lost", { name: lost.called });
    if (this.stale) return alert("stale");
    const [width, height] = view.video;
    return { text: words.say(people.length === 1 ? "countOne" : "count", { count: people.length, width, height }), alert: false };
  }
}
