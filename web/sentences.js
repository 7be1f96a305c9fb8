// @ts-check
/** What nodes say, in the language of the graph; English comes with every sentence. */

/** @typedef {{key: string, values: Record<string, any>, text: string}} Sentence as the server sends it */
/** @typedef {Record<string, string | Record<string, string>>} Texts by key; by form where a number decides it */

const KEY = "interacthuman"; // in every language's main.json
const ENGLISH = "en";

/**
 * A language's texts among those of all packs, as ComfyUI serves them at /i18n: of "zh-TW", else of "zh".
 * @param {Record<string, any> | undefined} all @param {string} language
 * @param {string} [key] of the texts
 * @returns {Texts | undefined}
 */
export function textsOf(all, language, key = KEY) {
  const [general] = language.split("-");
  return general === ENGLISH ? undefined : (all?.[language]?.[key] ?? all?.[general]?.[key]);
}

/**
 * A sentence with its values, in English where the language has no text for it.
 * @param {Sentence} sentence @param {string} language @param {Texts | undefined} texts
 * @returns {string}
 */
export function translated(sentence, language, texts) {
  const entry = texts?.[sentence.key];
  const text = typeof entry === "object" ? entry[form(sentence.values.count, language, entry)] : entry;
  if (!text) return sentence.text;
  return text.replace(/\{(\w+)\}/g, (place, name) =>
    name in sentence.values ? shown(sentence.values[name], language, texts) : place,
  );
}

/** Which form a number takes. @param {number} count @param {string} language @param {Record<string, string>} forms */
function form(count, language, forms) {
  const found = new Intl.PluralRules(language).select(count);
  return found in forms ? found : "other";
}

/** @param {any} value @param {string} language @param {Texts | undefined} texts @returns {string} */
function shown(value, language, texts) {
  if (Array.isArray(value)) return new Intl.ListFormat(language, { type: "conjunction" }).format(value);
  return typeof value === "object" ? translated(value, language, texts) : String(value);
}
