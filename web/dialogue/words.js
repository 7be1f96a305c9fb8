// @ts-check
/** What the timeline says, in the language of the graph. */
import { Texts } from "../texts.js";
import { ENGLISH } from "./english.js";

/** @typedef {keyof typeof ENGLISH} Word */
/** @typedef {Texts<Word>} Words */

export const words = new Texts("interacthuman_dialogue", ENGLISH);

/** The keys and what they do, by their words or as they are. @type {[string, Word][]} */
const KEYS = [
  ["keySpace", "doPlay"],
  ["← →", "doMove"],
  ["↑ ↓", "doChoose"],
  ["Alt ↑ ↓", "doLane"],
  ["Alt Shift ↑ ↓", "doOrder"],
  ["Alt ← →", "doStep"],
  ["[ ]", "doTrim"],
  ["S", "doSplit"],
  ["M", "doMute"],
  ["O", "doSolo"],
  ["Page ↑ ↓", "doGain"],
  ["Delete", "doDelete"],
  ["L", "doLoop"],
  ["+ − 0", "doZoom"],
  ["Home End", "doEnds"],
  ["Ctrl+Z", "doUndo"],
  ["keyDrag", "doFreely"],
];

/** Keys and what they do, for people. */
export const keyHelp = () => words.keyHelp(KEYS);
