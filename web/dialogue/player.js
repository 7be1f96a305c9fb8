// @ts-check
/** Plays the mix of a dialogue by WebAudio, from any time on, once or round and round. */
import { endOf } from "./model.js";

/** @typedef {import("./model.js").Dialogue} Dialogue */
/** @typedef {{from: number, to: number, at: number}} Pass seconds of the film; at: of the audio clock when it begins */

const AHEAD = 0.3; // seconds that the next round is scheduled before it begins
const DELAY = 0.06; // seconds until the first sound, so that all of them begin together

export class Player {
  /** @type {AudioContext | undefined} */
  #context;
  /** @type {Set<AudioBufferSourceNode>} */
  #sources = new Set();
  /** @type {Pass[]} */
  #passes = [];
  /** @type {number} */
  #timer = 0;
  /** Counts the starts, so that a slow one does not begin after a later one. */
  #start = 0;
  /** @type {() => {dialogue: Dialogue, solo: Set<number>, to: number, loop: [number, number] | null}} */
  #state;

  /**
   * @param {import("./sounds.js").Sounds} sounds
   * @param {() => {dialogue: Dialogue, solo: Set<number>, to: number, loop: [number, number] | null}} state
   *   to: where the film ends; loop: what is played round and round; solo: ids of the only lanes that are heard
   * @param {() => void} ended called when it has come to its end
   */
  constructor(sounds, state, ended) {
    this.sounds = sounds;
    this.#state = state;
    this.ended = ended;
  }

  get playing() {
    return this.#passes.length > 0;
  }

  /** The time of the film that is heard now. */
  get time() {
    const now = this.#context?.currentTime ?? 0;
    const pass = this.#passes.findLast(({ at }) => at <= now) ?? this.#passes[0];
    return pass ? Math.min(pass.to, Math.max(pass.from, pass.from + now - pass.at)) : 0;
  }

  /** @param {number} from seconds of the film */
  async play(from) {
    this.stop();
    const start = ++this.#start;
    const { loop } = this.#state();
    const context = (this.#context ??= new AudioContext());
    const files = new Set(audible(this.#state()).map(({ clip }) => clip.file));
    await Promise.allSettled([...files].map((file) => this.sounds.load(file)));
    await context.resume();
    if (start !== this.#start) return;
    const inside = loop && from >= loop[0] - 1e-6 && from < loop[1] - 1e-6;
    const begin = loop && !inside ? loop[0] : from;
    await this.#schedule({ from: begin, to: loop ? loop[1] : this.#state().to, at: context.currentTime + DELAY });
    this.#timer = window.setInterval(() => this.#tick(), 50);
  }

  stop() {
    this.#start += 1;
    window.clearInterval(this.#timer);
    for (const source of this.#sources) source.stop();
    this.#sources.clear();
    this.#passes = [];
  }

  destroy() {
    this.stop();
    void this.#context?.close();
  }

  /** @param {Pass} pass */
  async #schedule(pass) {
    const context = /** @type {AudioContext} */ (this.#context);
    const start = this.#start;
    this.#passes = [...this.#passes.slice(-1), pass];
    for (const { lane, clip } of audible(this.#state())) {
      const first = Math.max(clip.start, pass.from);
      const last = Math.min(endOf(clip), pass.to);
      if (last <= first) continue;
      const buffer = await this.sounds.load(clip.file).catch(() => undefined);
      if (!buffer || start !== this.#start) continue;
      const source = new AudioBufferSourceNode(context, { buffer });
      source.connect(new GainNode(context, { gain: clip.gain * lane.gain })).connect(context.destination);
      source.start(pass.at + first - pass.from, clip.in + first - clip.start, last - first);
      source.onended = () => this.#sources.delete(source);
      this.#sources.add(source);
    }
  }

  #tick() {
    const context = this.#context;
    const pass = this.#passes.at(-1);
    if (!context || !pass) return;
    const end = pass.at + pass.to - pass.from;
    const { loop } = this.#state();
    if (loop && end - context.currentTime < AHEAD) void this.#schedule({ from: loop[0], to: loop[1], at: end });
    else if (!loop && context.currentTime >= end) {
      this.stop();
      this.ended();
    }
  }
}

/** What is heard. @param {{dialogue: Dialogue, solo: Set<number>}} state */
function audible({ dialogue, solo }) {
  const lanes = dialogue.lanes.filter((lane) => (solo.size ? solo.has(lane.id) : !lane.mute));
  return lanes.flatMap((lane) => lane.clips.filter((clip) => !clip.mute).map((clip) => ({ lane, clip })));
}
