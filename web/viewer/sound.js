// @ts-check
/** The sound of a run: a track for each voice and one for the scene, together or one of them alone. */

/** @typedef {import("./run_store.js").RunStore} RunStore */
/** @typedef {{from: number, to: number}} Span seconds of the video */
/** @typedef {{character: number | null, buffer: AudioBuffer, volume: GainNode}} Track null for the scene */

const MEMORY = 160 * 1024 * 1024; // bytes of all decoded tracks: a long film of many voices is played at a lower rate
const HIGHEST_RATE = 48000; // Hz
const LOWEST_RATE = 8000;
const FADE = 0.005; // seconds: a cut in the middle of a wave would click

/** All viewers of a page play through one. @type {AudioContext | undefined} */
let shared;
const context = () => (shared ??= new AudioContext({ latencyHint: "interactive" }));

export class FilmSound {
  /** @type {Track[]} */
  #tracks = [];
  /** @type {AudioBufferSourceNode[]} */
  #sources = [];
  /** When and where it began, both in seconds. */
  #began = { time: 0, at: 0 };
  /** @type {Span} */
  #span = { from: 0, to: 0 };
  /** Only this voice is heard. @type {number | null} */
  #alone = null;
  /** @type {Promise<void> | undefined} */
  #loading;

  /** @param {RunStore} run that has sounds */
  constructor(run) {
    this.run = run;
    this.seconds = run.scene.frames / run.scene.fps;
    this.out = context().createGain();
    this.out.connect(context().destination);
  }

  get isReady() {
    return this.#tracks.length > 0;
  }

  get isPlaying() {
    return this.#sources.length > 0;
  }

  /** Fetches and decodes the tracks, once. Raises where that cannot be done. */
  load() {
    return (this.#loading ??= this.#load().catch((error) => {
      this.#loading = undefined; // the server may answer later
      throw error;
    }));
  }

  async #load() {
    const { voices = [], scene = null } = this.run.sounds ?? {};
    const names = [...voices.map((name, character) => ({ name, character })), { name: scene, character: null }];
    const there = names.filter(({ name }) => name);
    const affordable = MEMORY / (4 * this.seconds * Math.max(1, there.length));
    const rate = Math.min(HIGHEST_RATE, Math.max(LOWEST_RATE, Math.floor(affordable)));
    const decoder = new OfflineAudioContext(1, 1, rate);
    const tracks = there.map(async ({ name, character }) => {
      const file = await this.run.pictures.file(/** @type {string} */ (name));
      const buffer = await decoder.decodeAudioData(file.slice(0)); // it takes what it is given
      const volume = context().createGain();
      volume.connect(this.out);
      return { character, buffer, volume };
    });
    this.#tracks = await Promise.all(tracks);
    this.hear(this.#alone);
  }

  /** @param {number | null} character who is heard alone; null for everybody */
  hear(character) {
    this.#alone = character;
    for (const track of this.#tracks)
      track.volume.gain.value = character === null || track.character === character ? 1 : 0;
  }

  /** @param {number} volume 0..1 */
  setVolume(volume) {
    this.out.gain.value = volume;
  }

  /**
   * Plays from a place on, over and over.
   * @param {number} at seconds @param {Span} span that is played
   */
  play(at, span) {
    this.stop();
    void context().resume(); // a page may sound only when it was clicked
    const time = context().currentTime;
    this.#sources = this.#tracks.map(({ buffer, volume }) => {
      const source = new AudioBufferSourceNode(context(), { buffer, loop: true });
      source.loopStart = span.from;
      source.loopEnd = Math.min(span.to, buffer.duration);
      source.connect(volume);
      source.start(time, Math.min(at, buffer.duration));
      return source;
    });
    this.#began = { time, at };
    this.#span = span;
  }

  stop() {
    for (const source of this.#sources) {
      source.stop();
      source.disconnect();
    }
    this.#sources = [];
  }

  /** The place that is heard now, in seconds of the video. */
  get position() {
    const { time, at } = this.#began;
    const { from, to } = this.#span;
    const late = context().outputLatency || 0; // what was played is heard after that
    const place = at + Math.max(0, context().currentTime - time - late);
    return place < to ? place : from + ((place - from) % Math.max(1e-3, to - from));
  }

  /** A bit of it, for somebody who looks for a place. @param {Span} span */
  sample({ from, to }) {
    if (!this.isReady || this.isPlaying) return;
    void context().resume();
    const now = context().currentTime;
    for (const { buffer, volume } of this.#tracks) {
      const source = new AudioBufferSourceNode(context(), { buffer });
      const edge = new GainNode(context(), { gain: 0 });
      const length = Math.max(2 * FADE, to - from);
      edge.gain.setValueAtTime(0, now);
      edge.gain.linearRampToValueAtTime(1, now + FADE);
      edge.gain.setValueAtTime(1, now + length - FADE);
      edge.gain.linearRampToValueAtTime(0, now + length);
      source.connect(edge).connect(volume);
      source.start(now, Math.min(from, buffer.duration), length);
      source.onended = () => edge.disconnect();
    }
  }

  /** What is played, to be recorded and not to be heard, until the returned function is called. */
  divert() {
    const recorded = context().createMediaStreamDestination();
    this.out.disconnect();
    this.out.connect(recorded);
    const back = () => {
      this.out.disconnect();
      this.out.connect(context().destination);
    };
    return { stream: recorded.stream, back };
  }

  destroy() {
    this.stop();
    this.out.disconnect();
    this.#tracks = [];
  }
}
