// @ts-check
/** The people as a list, in the order of their numbers, and those that are left out. */
import { make } from "../viewer/dom.js";
import { colourOf } from "./picture.js";
import { words } from "./words.js";

/** @typedef {import("./model.js").Lineup} Lineup */
/** @typedef {import("./model.js").Person} Person */
/** @typedef {import("./model.js").View} View */
/** @typedef {import("./words.js").Word} Word */
/**
 * @typedef {object} RowActions by the place in the list
 * @property {(index: number) => void} select
 * @property {(index: number, name: string) => void} rename
 * @property {(index: number, by: number) => void} move
 * @property {(index: number) => void} merge
 * @property {(index: number) => void} part
 * @property {(index: number) => void} drop
 * @property {(index: number) => void} back
 */

const SMALLEST_CUT = 0.005; // share of a person

export class Rows {
  /** @param {RowActions} actions */
  constructor(actions) {
    this.actions = actions;
    this.element = make("div", { className: "interact-people-rows", role: "list" });
  }

  /** @param {Lineup} lineup @param {View | undefined} view @param {number | null} selected */
  show(lineup, view, selected) {
    this.element.setAttribute("aria-label", words.say("list"));
    const rows = lineup.people.map((person, index) => this.#row(person, index, lineup.people.length, view, index === selected));
    const left = lineup.dropped.map((_, index) => this.#left(index));
    this.element.replaceChildren(...rows, ...left);
  }

  /** @param {Person} person @param {number} index @param {number} count @param {View | undefined} view @param {boolean} selected */
  #row(person, index, count, view, selected) {
    const { actions } = this;
    const named = { name: person.called, number: index + 1 };
    const number = button(`${index + 1}`, words.say("select", named), () => actions.select(index), "interact-people-number");
    number.style.background = colourOf(index);
    number.setAttribute("aria-pressed", `${selected}`);
    const name = make("input", {
      type: "text",
      value: person.name,
      placeholder: person.called,
      maxLength: 80,
      "aria-label": words.say("name", named),
      onfocus: () => actions.select(index),
      onchange: () => actions.rename(index, name.value),
    });
    const several = person.at.length > 1;
    const row = make(
      "div",
      { className: "interact-people-row", role: "listitem" },
      number,
      name,
      make("span", { className: "interact-people-note", textContent: noteOf(person, view) }),
      button("↑", words.say("earlier", named), () => actions.move(index, -1), "interact-arrow", index === 0),
      button("↓", words.say("later", named), () => actions.move(index, 1), "interact-arrow", index === count - 1),
      several ? button(words.say("part"), words.say("partHint", named), () => actions.part(index)) : "",
      button(words.say("merge"), words.say("mergeHint", named), () => actions.merge(index), "", count < 2),
      button(words.say("drop"), words.say("dropHint", named), () => actions.drop(index), "", count < 2),
    );
    row.toggleAttribute("data-selected", selected);
    return row;
  }

  /** @param {number} index */
  #left(index) {
    const back = button(words.say("back"), words.say("backHint", { number: index + 1 }), () => this.actions.back(index));
    const text = make("span", { className: "interact-people-note", textContent: words.say("left") });
    return make("div", { className: "interact-people-row", role: "listitem", "data-left": "" }, text, back);
  }

  /** Puts the focus on the name, or the number, of a row. @param {number} index @param {"input" | "button"} [what] */
  focus(index, what = "input") {
    const place = this.element.children[index]?.querySelector(what);
    if (place instanceof HTMLElement) place.focus({ preventScroll: true });
    if (place instanceof HTMLInputElement) place.select();
    this.element.children[index]?.scrollIntoView({ block: "nearest" });
  }

  /** Where the focus is. @returns {{index: number, what: "input" | "button"} | undefined} */
  get focused() {
    const index = [...this.element.children].findIndex((row) => row.contains(document.activeElement));
    if (index < 0) return undefined;
    return { index, what: document.activeElement instanceof HTMLInputElement ? "input" : "button" };
  }
}

/** What is odd about a person. @param {Person} person @param {View | undefined} view */
function noteOf(person, view) {
  const said = person.at.length > 1 ? [words.say("pieces", { count: person.at.length })] : [];
  if (!view) return said.join(", ");
  if (person.found.length < person.at.length) said.push(words.say("missing"));
  const kept = Math.max(0, ...person.found.map((one) => view.found[one].kept)); // a piece that is whole counts
  if (person.found.length && kept === 0) said.push(words.say("outside"));
  else if (person.found.length === 1 && kept < 1 - SMALLEST_CUT)
    said.push(words.say("cut", { percent: Math.max(1, Math.round(100 * (1 - kept))) }));
  return said.join(", ");
}

/** @param {string} text @param {string} hint @param {() => void} onclick @param {string} [more] @param {boolean} [disabled] */
export function button(text, hint, onclick, more = "", disabled = false) {
  const settings = { type: "button", className: `interact-button ${more}`.trim(), textContent: text, title: hint, "aria-label": hint };
  return make("button", { ...settings, disabled, onclick });
}
