// @ts-check
/** What is said while one edits a graph, in its language. */
import { Texts } from "../texts.js";
import { ENGLISH } from "./english.js";

/** @typedef {keyof typeof ENGLISH} Word */

export const words = new Texts("interacthuman_graph", ENGLISH);

/** Names as the language lists them. @param {string[]} names */
export const listed = (names) => names.join(", ");
