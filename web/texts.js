// @ts-check
/** The texts of a part of the page, such as the timeline, in the language of the graph. */
import { textsOf, translated } from "./sentences.js";

/** @template {string} Word */
export class Texts {
  #language = "en";
  /** @type {import("./sentences.js").Texts | undefined} */
  #own;
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /** @param {string} key of the part in every language's main.json @param {Record<Word, string>} english */
  constructor(key, english) {
    this.key = key;
    this.english = english;
    parts.add(this);
    this.speak(spoken.language, spoken.all); // a script that the page loads late
  }

  /** @param {Word} key @param {Record<string, any>} [values] */
  say(key, values = {}) {
    const text = this.english[key].replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
    return translated({ key, values, text }, this.#language, this.#own);
  }

  /** Keys and what they do, for people. @param {[string, Word][]} keys by their words, or as they are */
  keyHelp(keys) {
    return keys.map(([key, does]) => [key in this.english ? this.say(/** @type {Word} */ (key)) : key, this.say(does)]);
  }

  /** @param {string} language @param {Record<string, any> | undefined} all texts as ComfyUI serves them */
  speak(language, all) {
    this.#language = language;
    this.#own = textsOf(all, language, this.key);
    for (const listener of this.#listeners) listener();
  }

  /** Calls back when another language is spoken, until the returned function is called. @param {() => void} listener */
  onLanguage(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/** @type {Set<Texts<any>>} */
const parts = new Set();
/** @type {{language: string, all?: Record<string, any>}} */
let spoken = { language: "en" };

/** From now on every part speaks a language, as far as there are texts. @param {string} language @param {Record<string, any> | undefined} all */
export function speakEverywhere(language, all) {
  spoken = { language, all };
  for (const part of parts) part.speak(language, all);
}
