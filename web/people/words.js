// @ts-check
/** What InterAct People's picture says, in the language of the graph. */
import { Texts } from "../texts.js";
import { ENGLISH } from "./english.js";

/** @typedef {keyof typeof ENGLISH} Word */

export const words = new Texts("interacthuman_people", ENGLISH);

/** @type {[string, Word][]} */
const KEYS = [
  ["keyClick", "doClick"],
  ["Alt ↑ ↓", "doMove"],
  ["Enter", "doNext"],
  ["M", "doMerge"],
  ["Delete", "doDrop"],
  ["Ctrl+Z", "doUndo"],
];

/** Keys and what they do, for people. */
export const keyHelp = () => words.keyHelp(KEYS);
