// @ts-check
/** The recordings of a dialogue: fetched and decoded once, with their outlines; the least used sounds make room. */
import { ByteLru } from "../viewer/byte_lru.js";
import { pyramidOf } from "./peaks.js";

/** @typedef {import("./peaks.js").Pyramid} Pyramid */

const RATE = 24_000; // Hz: enough to judge a voice by, half the memory of 48000
const MOST_BYTES = 768 << 20; // eight lanes of ten minutes are 461 MB

export class Sounds {
  /** @type {Map<string, Pyramid>} */
  #outlines = new Map();
  /** @type {Map<string, string>} */
  #failures = new Map();
  /** @type {Map<string, Promise<AudioBuffer>>} */
  #pending = new Map();
  /** @type {ByteLru} */
  #buffers = new ByteLru(MOST_BYTES);
  /** Counts what has become known. */
  version = 0;

  /**
   * @param {(file: string) => Promise<ArrayBuffer>} fetchFile rejects with an Error whose message says why
   * @param {() => void} changed called when more is known of a file
   */
  constructor(fetchFile, changed) {
    this.fetchFile = fetchFile;
    this.changed = () => {
      this.version += 1;
      changed();
    };
  }

  /** What a waveform is drawn from; asks for it where it is not there. @param {string} file */
  outline(file) {
    const known = this.#outlines.get(file);
    if (!known && !this.#failures.has(file)) this.load(file).catch(() => {});
    return known;
  }

  /** Seconds, undefined as long as they are not known. @param {string} file */
  seconds(file) {
    return this.#outlines.get(file)?.seconds;
  }

  /** Why a file cannot be shown. @param {string} file */
  failure(file) {
    return this.#failures.get(file);
  }

  /** Files that were asked for and are not there. */
  get failed() {
    return [...this.#failures.keys()];
  }

  /** Tries again those that failed. */
  retry() {
    this.version += 1;
    this.#failures.clear();
  }

  /** The sound itself, decoded anew where it had to make room. @param {string} file @returns {Promise<AudioBuffer>} */
  load(file) {
    const kept = this.#buffers.get(file);
    if (kept) return Promise.resolve(kept);
    const pending = this.#pending.get(file) ?? this.#decode(file, this.fetchFile(file));
    this.#pending.set(file, pending);
    return pending;
  }

  /**
   * Takes a sound that is here already, such as a dropped file's, under the name that it got. Rejects if the browser
   * cannot decode it.
   * @param {string} file @param {AudioBuffer} buffer
   */
  take(file, buffer) {
    this.#failures.delete(file);
    this.#buffers.set(file, buffer, 4 * buffer.length);
    this.#outlines.set(file, pyramidOf(buffer.getChannelData(0), buffer.sampleRate));
    this.changed();
  }

  /** @param {string} file @param {Promise<ArrayBuffer>} bytes */
  async #decode(file, bytes) {
    try {
      const buffer = await decoded(await bytes);
      this.take(file, buffer);
      return buffer;
    } catch (error) {
      this.#failures.set(file, error instanceof Error ? error.message : String(error));
      this.changed();
      throw error;
    } finally {
      this.#pending.delete(file);
    }
  }
}

/** Bytes of any format that the browser knows, as mono. @param {ArrayBuffer} bytes @returns {Promise<AudioBuffer>} */
export async function decoded(bytes) {
  const context = new OfflineAudioContext(1, 1, RATE);
  const buffer = await context.decodeAudioData(bytes);
  if (buffer.numberOfChannels === 1) return buffer;
  const mono = context.createBuffer(1, buffer.length, buffer.sampleRate);
  const sum = mono.getChannelData(0);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const samples = buffer.getChannelData(channel);
    for (let at = 0; at < sum.length; at++) sum[at] += samples[at] / buffer.numberOfChannels;
  }
  return mono;
}
