// @ts-check
/**
 * Who speaks when, from files that say so: SRT, WebVTT, Audacity's labels, RTTM. Lines that cannot be read are counted,
 * not guessed.
 */

/** @typedef {{start: number, end: number, speaker: string, text: string}} Cue seconds */
/** @typedef {{cues: Cue[], skipped: number}} Cues in order; skipped: entries that were not understood */

const CLOCK = String.raw`(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})`;
const TIMES = new RegExp(String.raw`^\s*${CLOCK}\s*-->\s*${CLOCK}`);
const VOICE = /<v(?:\.[^\s>]*)*\s+([^>]+)>/i; // WebVTT, 3.3: <v.loud Mira>
const BRACKETED = /^\s*[[(]([^\])\n]{1,40})[\])]\s*:?\s*/u;
const NAMED = /^\s*(?:-\s*)?(\p{L}[\p{L}\p{M}\p{N}_.'’ -]{0,30}?)\s*(?::\s+|：\s*)/u;

/** @param {string} text what a file holds, of whatever kind @returns {Cues} */
export function readCues(text) {
  const plain = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  const found = /^\s*(?:;.*\n\s*)*(?:SPEAKER|SPKR-INFO|LEXEME|NON-SPEECH)\s/m.test(plain)
    ? rttm(plain)
    : plain.includes("-->")
      ? subtitles(plain)
      : labels(plain);
  found.cues.sort((one, other) => one.start - other.start);
  return found;
}

/** SRT and WebVTT: what follows a line of times, up to an empty line. @param {string} text @returns {Cues} */
function subtitles(text) {
  /** @type {Cue[]} */
  const cues = [];
  let skipped = 0;
  for (const block of text.split(/\n[ \t]*\n/)) {
    const lines = block.split("\n");
    const at = lines.findIndex((line) => line.includes("-->"));
    if (at < 0 || /^\s*(NOTE|STYLE|REGION)\b/.test(block)) continue; // WebVTT's head, notes, styles
    const times = TIMES.exec(lines[at]);
    if (times && add(cues, clock(times, 1), clock(times, 5), lines.slice(at + 1).join("\n"))) continue;
    skipped += 1;
  }
  return { cues, skipped };
}

/** Audacity: start, end and label, between tabs; a line that begins with a backslash has frequencies. @param {string} text @returns {Cues} */
function labels(text) {
  /** @type {Cue[]} */
  const cues = [];
  let skipped = 0;
  for (const line of text.split("\n")) {
    if (!line.trim() || line.startsWith("\\")) continue;
    const [start, end, ...label] = line.split("\t");
    const speaker = label.join(" ").trim();
    const from = seconds(start);
    const to = seconds(end);
    if (Number.isNaN(from) || Number.isNaN(to) || to <= from) skipped += 1;
    else cues.push({ start: from, end: to, ...labelled(speaker) });
  }
  return { cues, skipped };
}

/** NIST: SPEAKER file channel start duration <NA> <NA> name <NA> <NA>; other kinds of lines are not speech. @param {string} text @returns {Cues} */
function rttm(text) {
  /** @type {Cue[]} */
  const cues = [];
  let skipped = 0;
  for (const line of text.split("\n")) {
    const parts = line.trim().split(/\s+/);
    if (parts[0] !== "SPEAKER") {
      if (parts[0] && !/^(;|SPKR-INFO|LEXEME|NON-|SU|FILLER|EDIT|IP|CB|A\/P|NOSCORE|NOEVAL)/.test(parts[0])) skipped += 1;
      continue;
    }
    const start = seconds(parts[3]);
    const length = seconds(parts[4]);
    const speaker = parts[7] && parts[7] !== "<NA>" ? parts[7] : "";
    if (Number.isNaN(start) || !(length > 0)) skipped += 1;
    else cues.push({ start, end: start + length, speaker, text: "" });
  }
  return { cues, skipped };
}

/** @param {Cue[]} cues @param {number} start @param {number} end @param {string} body @returns {boolean} */
function add(cues, start, end, body) {
  if (!(end > start)) return false;
  const voice = VOICE.exec(body)?.[1].trim() ?? "";
  const text = body.replace(/<[^>]*>|\{\\[^}]*\}/g, "").trim(); // tags, and ASS's in SRT
  cues.push({ start, end, ...(voice ? { speaker: unescaped(voice), text: oneLine(text) } : spoken(text)) });
  return true;
}

/** A text that may begin with a name. @param {string} text */
function spoken(text) {
  const found = BRACKETED.exec(text) ?? NAMED.exec(text);
  const speaker = found?.[1].trim() ?? "";
  return { speaker: unescaped(speaker), text: oneLine(found ? text.slice(found[0].length) : text) };
}

/** A label is a name, or a name and a text. @param {string} label */
function labelled(label) {
  const { speaker, text } = spoken(`${label} `);
  return speaker ? { speaker, text } : { speaker: label, text: "" };
}

/** @param {string} text */
const oneLine = (text) => unescaped(text.split(/\s+/).join(" ").trim());

/** @param {string} text */
const unescaped = (text) =>
  text.replace(/&(amp|lt|gt|nbsp|lrm|rlm);/g, (whole, name) => ({ amp: "&", lt: "<", gt: ">", nbsp: " " })[/** @type {"amp"} */ (name)] ?? "");

/** @param {RegExpExecArray} found @param {number} at the hours */
function clock(found, at) {
  const [hours, minutes, whole] = [0, 1, 2].map((place) => Number(found[at + place] ?? 0));
  return 3600 * hours + 60 * minutes + whole + Number(`0.${found[at + 3]}`);
}

/** A number of seconds; some countries' programs write a comma. @param {string | undefined} text */
const seconds = (text) => (/^\s*\d+(?:[.,]\d+)?\s*$/.test(text ?? "") ? Number((text ?? "").trim().replace(",", ".")) : NaN);

/**
 * Cues by who speaks them, in the order in which they first speak; those of nobody come first, under "".
 * @param {Cue[]} cues @returns {Map<string, Cue[]>}
 */
export function bySpeaker(cues) {
  /** @type {Map<string, Cue[]>} */
  const found = new Map();
  for (const cue of cues) found.set(cue.speaker, [...(found.get(cue.speaker) ?? []), cue]);
  return found;
}
