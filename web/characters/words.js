// @ts-check
/** @typedef {{taken: string, label: string}} Words on the node, and for its widget in place of "name" */

/** By language. @type {Record<string, Words>} */
const WORDS = {
  en: { taken: "Name taken: rename one", label: "name taken" },
  zh: { taken: "名称重复，请改一个", label: "名称重复" },
};

/** The words of a language, else the English ones. @param {string} locale such as "zh" or "zh-TW" */
export const wordsOf = (locale) => WORDS[locale] ?? WORDS[locale.split("-")[0]] ?? WORDS.en;
