// @ts-check
/** A forecast in sentences, for under the node. */
import { listed, words } from "./words.js";

const MOST_SPANS = 4;

/** @param {import("./forecast.js").Forecast} forecast @returns {string[]} */
export function sentencesOf({ frames, fps, windows, memory, voices, twice }) {
  if (!voices.length) return [words.say("nobody")];
  const lines = [filmOf(frames, fps, windows, voices), ...twice.map((name) => words.say("sameName", { name }))];
  if (memory) lines.push(words.say("memory", { size: (memory / 2 ** 30).toFixed(1) }));
  const end = frames && fps ? frames / fps : Infinity;
  for (const voice of voices) {
    const { spans } = voice;
    if (!spans?.length) continue;
    const name = called(voice);
    lines.push(words.say("speaks", { name, spans: shown(spans) }));
    const last = /** @type {[number, number]} */ (spans.at(-1))[1];
    if (last > end + 0.02) lines.push(words.say("cutOff", { name, end: last.toFixed(2), seconds: end.toFixed(2) }));
  }
  const silent = voices.flatMap((voice) => (voice.spans?.length === 0 ? called(voice) : []));
  if (silent.length) lines.push(words.say("silent", { names: listed(silent) }));
  const untold = voices.flatMap((voice) => (voice.spans ? [] : called(voice)));
  if (untold.length && frames) lines.push(words.say("untold", { names: listed(untold) }));
  return lines;
}

/** @param {import("./forecast.js").Voice} voice */
const called = ({ name, title }) => name ?? title ?? "?";

/** @param {number | undefined} frames @param {number | undefined} fps @param {number | undefined} windows @param {import("./forecast.js").Voice[]} voices */
function filmOf(frames, fps, windows, voices) {
  if (!frames || !fps) {
    const unknown = voices.flatMap((voice) => (voice.spans ? [] : called(voice)));
    return words.say("filmUnknown", { names: listed(unknown.length ? unknown : ["length", "fps"]) });
  }
  const values = { frames, seconds: (frames / fps).toFixed(2), fps: Number(fps.toFixed(3)), windows: windows ?? 1 };
  return words.say(values.windows > 1 ? "filmWindows" : "film", values);
}

/** @param {[number, number][]} spans */
function shown(spans) {
  const told = spans.slice(0, MOST_SPANS).map((span) => span.map((time) => time.toFixed(2)).join("-"));
  return listed(spans.length > MOST_SPANS ? [...told, "…"] : told);
}
