// @ts-check
/**
 * What a run of an Encode Characters will be, read off the graph while one edits: how long the video is, who speaks
 * when, whose name is there twice. What only a run can tell is said to be so.
 */
import { nameOf, valueOf } from "../characters/casts.js";
import { framesFor, snapFrames } from "../dialogue/arrange.js";
import { endOf, heardOf, lastEnd, read } from "../dialogue/model.js";
import { FIRST } from "../dialogue/sockets.js";
import { linkInto, typeOf } from "../graph_walk.js";
import { read as readPeople } from "../people/model.js";
import { memoryOf, samplingsOf, windowsOf } from "./passes.js";
import { inputNamed, originOf } from "./upstream.js";

/** @typedef {import("../graph_walk.js").Graph} Graph */
/** @typedef {import("../graph_walk.js").Place} Place */
/** @typedef {[number, number]} Span seconds of the video */
/** @typedef {(source: {kind: "example" | "input", file: string}) => number | undefined} Lengths seconds of a recording, where known */
/**
 * A character of the cast, or the title of the node that gives one or several; spans: undefined where only a run tells,
 * none for one who is silent.
 * @typedef {{name: string | undefined, spans: Span[] | undefined, title?: string}} Voice
 */
/**
 * @typedef {object} Forecast
 * @property {number | undefined} frames undefined where only a run tells
 * @property {number | undefined} fps
 * @property {number | undefined} windows that the video is sampled in
 * @property {number | undefined} memory bytes of a pass of the model beside its weights; undefined for a model whose size its name does not say
 * @property {Voice[]} voices
 * @property {string[]} twice names that more than one character has
 */

const VOICE = /^voices\.voice_(\d+)$/; // of InterAct People
const DEEPEST = 64; // speeches that begin behind each other

/**
 * @param {Graph} root @param {import("../characters/casts.js").Cast} cast @param {Lengths} lengthOf
 * @returns {Forecast}
 */
export function forecast(root, { encoder, sockets }, lengthOf) {
  const voices = sockets.flatMap((characters, at) => {
    if (characters.length === 1) return [voiceOf(characters[0], lengthOf)];
    const origin = originOf(encoder, `characters.character_${at}`);
    if (!origin) return [];
    const people = typeOf(origin.node) === "InterActPeople" ? peopleOf(origin, lengthOf) : [];
    if (people.length) return people;
    return [{ name: undefined, title: String(origin.node.title ?? typeOf(origin.node)), spans: undefined }]; // a switch, or many at once
  });
  const fps = number(encoder, "fps", lengthOf);
  const length = number(encoder, "length", lengthOf);
  const ends = voices.flatMap(({ spans }) => spans?.map(([, end]) => end) ?? []);
  const known = voices.every(({ spans }) => spans);
  const spoken = known && fps ? framesFor(Math.max(0, ...ends), fps) : undefined;
  const frames = length ? snapFrames(length) : length === 0 ? spoken : undefined;
  const names = voices.flatMap(({ name }) => name ?? []);
  const twice = [...new Set(names.filter((name, at) => names.indexOf(name) !== at))];
  const samplings = frames ? samplingsOf(root, encoder) : [];
  const [width, height] = ["width", "height"].map((name) => number(encoder, name, lengthOf));
  const pictures = sockets.flat().filter((character) => typeOf(character.node) === "InterActCharacter").length;
  return {
    frames,
    fps,
    windows: frames && windowsOf(samplings, frames),
    memory: frames && width && height ? memoryOf(samplings, { width, height, frames, pictures }) : undefined,
    voices,
    twice,
  };
}

/**
 * Those of an InterAct People whose names the workflow has, or who have a voice: that somebody else is on the picture,
 * only a run tells.
 * @param {Place} place @param {Lengths} lengthOf @returns {Voice[]}
 */
function peopleOf(place, lengthOf) {
  const names = readPeople(String(valueOf(place, "people") ?? ""))?.people.map(({ name }) => name) ?? [];
  const voices = (place.node.inputs ?? []).filter((/** @type {any} */ { name }, /** @type {number} */ slot) => VOICE.test(name) && linkInto(place.node, slot));
  const count = Math.max(names.length, ...voices.map((/** @type {any} */ { name }) => Number(VOICE.exec(name)?.[1])));
  return Array.from({ length: count }, (_, at) => voiceOf(place, lengthOf, names[at] || `Character ${at + 1}`, `voices.voice_${at + 1}`));
}

/** @param {Place} character @param {Lengths} lengthOf @param {string} [name] @param {string} [input] @returns {Voice} */
function voiceOf(character, lengthOf, name = nameOf(character), input = "speech") {
  const speech = originOf(character, input);
  if (!speech) return { name, spans: linkInto(character.node, inputNamed(character.node, input)) ? undefined : [] };
  if (typeOf(speech.node) === "InterActDialogue") return { name, spans: laneOf(character, input, speech, lengthOf) };
  const span = typeOf(speech.node) === "InterActEncodeSpeech" ? spanOf(speech, lengthOf) : undefined;
  return { name, spans: span && [span] };
}

/** When a recording is heard that InterAct Encode Speech places. @param {Place} speech @param {Lengths} lengthOf @returns {Span | undefined} */
function spanOf(speech, lengthOf, depth = 0) {
  const before = originOf(speech, "start_time");
  const behind = before && typeOf(before.node) === "InterActEncodeSpeech" && depth < DEEPEST;
  const start = behind ? spanOf(before, lengthOf, depth + 1)?.[1] : valueOf(speech, "start_time");
  const gap = valueOf(speech, "gap") ?? 0;
  const sound = originOf(speech, "audio");
  const seconds = sound && secondsOf(speech, sound, lengthOf);
  if (typeof start !== "number" || typeof gap !== "number" || seconds === undefined) return undefined;
  return [start + gap, start + gap + seconds];
}

/** @param {Place} speech @param {Place} sound @param {Lengths} lengthOf @returns {number | undefined} */
function secondsOf(speech, sound, lengthOf) {
  const type = typeOf(sound.node);
  if (type === "InterActDialogue") return laneOf(speech, "audio", sound, lengthOf)?.at(-1)?.[1];
  if (type !== "InterActExample" && type !== "LoadAudio") return undefined;
  const file = valueOf(sound, type === "LoadAudio" ? "audio" : "name");
  return typeof file === "string" && file ? lengthOf({ kind: type === "LoadAudio" ? "input" : "example", file }) : undefined;
}

/** Spans of the lane that comes into an input. @param {Place} place @param {string} input @param {Place} dialogue @param {Lengths} lengthOf @returns {Span[] | undefined} */
function laneOf({ node }, input, dialogue, lengthOf) {
  const link = linkInto(node, inputNamed(node, input));
  const lanes = dialogueOf(dialogue, lengthOf)?.lanes;
  // Only where the link comes from the dialogue itself is its number a lane's.
  const lane = link && String(link.origin_id) === String(dialogue.node.id) ? lanes?.[link.origin_slot - FIRST] : undefined;
  if (!lane) return undefined;
  const spans = lane.clips.map((clip) => /** @type {Span} */ ([Math.max(0, clip.start), endOf(clip)]));
  return joined(spans.filter(([start, end]) => end > start));
}

/** What is heard of a dialogue, every clip with its end; undefined where one is not known. @param {Place} place @param {Lengths} lengthOf */
function dialogueOf(place, lengthOf) {
  const text = valueOf(place, "dialogue");
  const dialogue = typeof text === "string" && text ? read(text) : undefined;
  if (!dialogue) return undefined;
  const heard = heardOf(dialogue);
  const muted = dialogue.lanes.map((lane) => (heard.lanes.some(({ id }) => id === lane.id) ? lane : { ...lane, clips: [] }));
  const lanes = muted.map((lane) => ({ ...lane, clips: lane.clips.filter((clip) => !clip.mute).map((clip) => timed(clip, lengthOf)) }));
  return lanes.every(({ clips }) => clips.every((clip) => clip.out !== null)) ? { lanes } : undefined;
}

/** @param {import("../dialogue/model.js").Clip} clip @param {Lengths} lengthOf */
function timed(clip, lengthOf) {
  const [, example] = /^(\w+)\.wav \[example\]$/.exec(clip.file) ?? [];
  const seconds = lengthOf(example ? { kind: "example", file: example } : { kind: "input", file: clip.file });
  if (seconds === undefined) return clip;
  return { ...clip, out: Math.min(clip.out ?? seconds, seconds) };
}

/** A number of an Encode Characters, also of a dialogue that is connected. @param {Place} place @param {string} name @param {Lengths} lengthOf @returns {number | undefined} */
function number(place, name, lengthOf) {
  const own = valueOf(place, name);
  if (typeof own === "number") return own;
  const origin = originOf(place, name);
  if (origin && typeOf(origin.node) === "InterActDialogue") {
    const fps = valueOf(origin, "fps");
    if (name === "fps") return typeof fps === "number" ? fps : undefined;
    const length = valueOf(origin, "length");
    const dialogue = dialogueOf(origin, lengthOf);
    if (typeof length === "number" && length) return snapFrames(length);
    return dialogue && length === 0 && typeof fps === "number" ? framesFor(lastEnd(dialogue), fps) : undefined;
  }
  return undefined;
}

/** @param {Span[]} spans @returns {Span[]} in their order, those that meet as one */
function joined(spans) {
  /** @type {Span[]} */
  const made = [];
  for (const [start, end] of spans.sort((one, other) => one[0] - other[0])) {
    const last = made.at(-1);
    if (last && start <= last[1] + 1e-3) last[1] = Math.max(last[1], end);
    else made.push([start, end]);
  }
  return made;
}
