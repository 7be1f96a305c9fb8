// @ts-check
/**
 * The dialogue as it is edited: lanes of clips, times in seconds. Nothing is changed in place: each edit gives a new
 * dialogue, so that undo is to keep the old one. The JSON is that of interact_core/speech/dialogue.py.
 */

/**
 * @typedef {object} Clip a piece of a recording
 * @property {number} id of this page only
 * @property {string} file below ComfyUI's input folder
 * @property {number} in seconds of the recording
 * @property {number | null} out seconds of the recording, null for its end
 * @property {number} start seconds of the film
 * @property {number} gain a factor
 * @property {boolean} mute
 * @property {string} label what is said
 */
/** @typedef {{id: number, name: string, gain: number, mute: boolean, clips: Clip[]}} Lane */
/** @typedef {{lanes: Lane[]}} Dialogue */
/** @typedef {{lane: Lane, index: number, clip: Clip}} Found */

export const MOST_LANES = 16;
export const MOST_GAIN = 16;
const DIGITS = 9; // after the point: a frame at 30 fps stays a frame when it is read again
const UNTIMED = 1; // seconds that a clip is drawn with until the length of its recording is known

let last = 0;

/** @param {Partial<Clip>} given @returns {Clip} */
export const makeClip = (given) => ({
  id: ++last,
  file: "",
  in: 0,
  out: null,
  start: 0,
  gain: 1,
  mute: false,
  label: "",
  ...given,
});

/** @param {Partial<Lane>} given @returns {Lane} */
export const makeLane = (given) => ({ id: ++last, name: "", gain: 1, mute: false, clips: [], ...given });

/** @param {(number: number) => string} nameOf @returns {Dialogue} */
export const emptyDialogue = (nameOf) => ({ lanes: [1, 2].map((place) => makeLane({ name: nameOf(place) })) });

/** @param {Clip} clip */
export const secondsOf = (clip) => (clip.out ?? clip.in + UNTIMED) - clip.in;

/** @param {Clip} clip */
export const endOf = (clip) => clip.start + secondsOf(clip);

/** The end of the last clip, muted ones too. @param {Dialogue} dialogue */
export const lastEnd = (dialogue) => Math.max(0, ...dialogue.lanes.flatMap(({ clips }) => clips.map(endOf)));

/** Of the lanes, as a text. @param {Dialogue} dialogue */
export const idsOf = ({ lanes }) => lanes.map(({ id }) => id).join();

/** Without what is muted. @param {Dialogue} dialogue @returns {Dialogue} */
export const heardOf = ({ lanes }) => ({
  lanes: lanes.filter((lane) => !lane.mute).map((lane) => ({ ...lane, clips: lane.clips.filter((clip) => !clip.mute) })),
});

/** @param {Dialogue} dialogue @param {number} id @returns {Found | undefined} */
export function find(dialogue, id) {
  for (const [index, lane] of dialogue.lanes.entries()) {
    const clip = lane.clips.find((one) => one.id === id);
    if (clip) return { lane, index, clip };
  }
  return undefined;
}

/** All clips in the order of the film, then of the lanes. @param {Dialogue} dialogue */
export function inOrder(dialogue) {
  const all = dialogue.lanes.flatMap((lane, index) => lane.clips.map((clip) => ({ lane, index, clip })));
  return all.sort((one, other) => one.clip.start - other.clip.start || one.index - other.index);
}

// -------------------------------------------------------------------------------------------- edits

/** @param {Dialogue} dialogue @param {number} index @param {Partial<Lane>} fields @returns {Dialogue} */
export const changeLane = (dialogue, index, fields) => ({
  lanes: dialogue.lanes.map((lane, at) => (at === index ? { ...lane, ...fields } : lane)),
});

/** @param {Dialogue} dialogue @param {string} name @returns {Dialogue} */
export const addLane = (dialogue, name) => ({ lanes: [...dialogue.lanes, makeLane({ name })] });

/** @param {Dialogue} dialogue @param {number} index @returns {Dialogue} */
export const removeLane = (dialogue, index) => ({ lanes: dialogue.lanes.filter((_, at) => at !== index) });

/** @param {Dialogue} dialogue @param {number} from @param {number} to @returns {Dialogue} the same where it stays */
export function moveLane(dialogue, from, to) {
  const place = Math.min(Math.max(to, 0), dialogue.lanes.length - 1);
  if (place === from) return dialogue;
  const lanes = dialogue.lanes.toSpliced(from, 1);
  return { lanes: lanes.toSpliced(place, 0, dialogue.lanes[from]) };
}

/** @param {Dialogue} dialogue @param {number} index @param {...Clip} clips @returns {Dialogue} */
export const addClips = (dialogue, index, ...clips) =>
  changeLane(dialogue, index, { clips: [...dialogue.lanes[index].clips, ...clips] });

/** @param {Dialogue} dialogue @param {(clip: Clip) => Clip[]} each @returns {Dialogue} */
const mapClips = (dialogue, each) => ({
  lanes: dialogue.lanes.map((lane) => {
    const clips = lane.clips.flatMap(each);
    return clips.length === lane.clips.length && clips.every((clip, at) => clip === lane.clips[at])
      ? lane
      : { ...lane, clips };
  }),
});

/** @param {Dialogue} dialogue @param {number} id @param {Partial<Clip>} fields */
export const changeClip = (dialogue, id, fields) =>
  mapClips(dialogue, (clip) => [clip.id === id ? { ...clip, ...fields } : clip]);

/** @param {Dialogue} dialogue @param {number} id */
export const removeClip = (dialogue, id) => mapClips(dialogue, (clip) => (clip.id === id ? [] : [clip]));

/** @param {Dialogue} dialogue @param {number} id @param {number} start @param {number} index of its lane @returns {Dialogue} */
export function moveClip(dialogue, id, start, index) {
  const found = find(dialogue, id);
  if (!found) return dialogue;
  const moved = { ...found.clip, start: Math.max(0, start) };
  const lane = Math.min(Math.max(index, 0), dialogue.lanes.length - 1);
  if (lane === found.index) return changeClip(dialogue, id, moved);
  return addClips(removeClip(dialogue, id), lane, moved);
}

/**
 * Moves an end of a clip to a time of the film; what is heard of it elsewhere stays where it is.
 * @param {Dialogue} dialogue @param {number} id @param {"start" | "end"} edge @param {number} time
 * @param {{least: number, longest: number}} limits seconds: of a clip at least, of its recording
 */
export function trimClip(dialogue, id, edge, time, { least, longest }) {
  const clip = find(dialogue, id)?.clip;
  if (!clip) return dialogue;
  const end = endOf(clip);
  if (edge === "end") {
    const out = Math.min(clip.in + Math.max(least, time - clip.start), longest);
    return changeClip(dialogue, id, { out });
  }
  const start = Math.max(Math.min(time, end - least), clip.start - clip.in, 0);
  return changeClip(dialogue, id, { start, in: clip.in + start - clip.start, out: clip.in + secondsOf(clip) });
}

/** Two clips of one, if the time lies in it. @param {Dialogue} dialogue @param {number} id @param {number} time */
export function splitClip(dialogue, id, time) {
  const clip = find(dialogue, id)?.clip;
  if (!clip || time <= clip.start || time >= endOf(clip)) return dialogue;
  const at = clip.in + time - clip.start;
  const behind = makeClip({ ...clip, id: ++last, in: at, out: clip.in + secondsOf(clip), start: time });
  return mapClips(dialogue, (one) => (one.id === id ? [{ ...clip, out: at }, behind] : [one]));
}

/**
 * Clips without an end get that of their recording, and those that are longer are cut, once it is known.
 * @param {Dialogue} dialogue @param {(file: string) => number | undefined} length
 */
export const timed = (dialogue, length) =>
  mapClips(dialogue, (clip) => {
    const seconds = length(clip.file);
    if (seconds === undefined || (clip.out !== null && clip.out <= seconds)) return [clip];
    return [{ ...clip, out: Math.max(seconds, clip.in + 0.001) }];
  });

// ---------------------------------------------------------------------------------------------- JSON

/** @param {number} value */
const rounded = (value) => Number(value.toFixed(DIGITS));

/** What is as by default is left out. @param {Dialogue} dialogue */
export function write(dialogue) {
  const lanes = dialogue.lanes.map(({ name, gain, mute, clips }) => ({
    name,
    ...(gain !== 1 && { gain: rounded(gain) }),
    ...(mute && { mute }),
    clips: clips.map((clip) => ({
      file: clip.file,
      ...(clip.in && { in: rounded(clip.in) }),
      ...(clip.out !== null && { out: rounded(clip.out) }),
      start: rounded(clip.start),
      ...(clip.gain !== 1 && { gain: rounded(clip.gain) }),
      ...(clip.mute && { mute: true }),
      ...(clip.label && { label: clip.label }),
    })),
  }));
  return JSON.stringify({ lanes });
}

/**
 * The dialogue of a JSON text; undefined where it has none, or something that the server would refuse, too.
 * @param {string} text @returns {Dialogue | undefined}
 */
export function read(text) {
  try {
    const { lanes } = JSON.parse(text);
    if (!Array.isArray(lanes) || lanes.length > MOST_LANES) return undefined;
    return { lanes: lanes.map(readLane) };
  } catch {
    return undefined;
  }
}

/** @param {any} given @param {number} at @returns {Lane} */
function readLane({ name, gain = 1, mute = false, clips = [] }, at) {
  return makeLane({ name: String(name ?? "").trim() || `Character ${at + 1}`, gain: number(gain), mute: Boolean(mute), clips: clips.map(readClip) });
}

/** @param {any} given @returns {Clip} */
function readClip({ file, start = 0, gain = 1, mute = false, label = "", ...cut }) {
  if (typeof file !== "string" || !file) throw new Error("a clip without a file");
  const out = cut.out === undefined || cut.out === null ? null : number(cut.out);
  const clip = makeClip({ file, in: number(cut.in ?? 0), out, start: number(start), gain: number(gain), mute: Boolean(mute), label: String(label) });
  if (secondsOf(clip) <= 0) throw new Error("a clip that ends before it begins");
  return clip;
}

/** @param {unknown} value */
function number(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new Error("no number");
  return value;
}
