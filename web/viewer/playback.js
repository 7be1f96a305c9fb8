// @ts-check
import { latentFrameOf, videoFramesOf } from "./atlas.js";
import { FilmSound } from "./sound.js";

/** @typedef {import("./viewer.js").MaskViewer} MaskViewer */
/** @typedef {import("./sound.js").Span} Span */

/** Plays a viewer's frames at the speed of the video, with its sound where there is one, over and over. */
export class Playback {
  playing = false;
  /** What is played of the video, null for all of it. @type {Span | null} */
  span = null;
  /** The voice that is heard alone. @type {number | null} */
  solo = null;
  /** Where the sound would be without one: seconds of the video when `#since` it plays. */
  #position = 0;
  #since = 0;
  /** @type {FilmSound | undefined} */
  #sound;

  /** @param {MaskViewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
  }

  /** The viewer shows another run. */
  renew() {
    this.#sound?.destroy();
    this.#sound = undefined;
    this.solo = this.span = null;
    this.#restart();
  }

  destroy() {
    this.play(false);
    this.#sound?.destroy();
  }

  /** Seconds of the video that a latent frame begins at. @param {number} frame */
  #secondsOf(frame) {
    return videoFramesOf(frame)[0] / (this.viewer.run?.scene.fps ?? 25);
  }

  get #length() {
    const { frames, fps } = this.viewer.run?.scene ?? { frames: 1, fps: 25 };
    return frames / fps;
  }

  /** What is played. @returns {Span} */
  get #range() {
    return this.span ?? { from: 0, to: this.#length };
  }

  /** Seconds of the video, where it plays now, or where it will. */
  get position() {
    if (!this.playing) return this.#secondsOf(this.viewer.frame);
    if (this.#sound?.isPlaying) return this.#sound.position;
    const { from, to } = this.#range;
    const place = this.#position + Math.max(0, performance.now() - this.#since) / 1000;
    return place < to ? place : from + ((place - from) % Math.max(1e-3, to - from));
  }

  /** @param {boolean} on */
  play(on) {
    const { viewer } = this;
    if (on === this.playing || (on && !viewer.run)) return;
    const { from, to } = this.#range;
    const place = this.#secondsOf(viewer.frame);
    this.playing = on;
    viewer.controls.setPlaying(on);
    if (!on) {
      this.#sound?.stop();
      return viewer.requestDraw();
    }
    this.#begin(place >= from && place < to ? place : from);
    const tick = () => {
      if (!this.playing || !viewer.run) return;
      if (!viewer.element.isConnected) return this.play(false);
      const frame = Math.floor(this.position * viewer.run.scene.fps + 1e-6);
      const latent = Math.min(latentFrameOf(frame), viewer.run.scene.grid[0] - 1);
      if (latent !== viewer.frame) {
        viewer.goTo({ frame: latent });
        viewer.draw(); // now, and not a picture later than it is heard
      }
      viewer.waves.point(this.position);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  /** Plays from a place on, in seconds. @param {number} at */
  #begin(at) {
    this.#position = at;
    this.#since = performance.now();
    this.#sound?.stop();
    if (!this.viewer.preferences.sound) return;
    void this.#ready().then((sound) => {
      if (sound && this.playing && this.viewer.preferences.sound && !sound.isPlaying)
        sound.play(this.position, this.#range);
    });
  }

  /** After something has changed that is heard only from the next beginning on. */
  #restart() {
    if (this.playing) this.#begin(this.position);
  }

  /** The sound of the run, fetched; undefined where there is none to be had. */
  async #ready() {
    const { run } = this.viewer;
    if (!run?.sounds) return undefined;
    const sound = (this.#sound ??= new FilmSound(run));
    try {
      await sound.load();
    } catch {
      if (this.#sound === sound) this.viewer.complain("noSound");
      return undefined;
    }
    if (this.#sound !== sound) return undefined;
    this.viewer.complain(null);
    sound.hear(this.solo);
    sound.setVolume(this.viewer.preferences.volume);
    return sound;
  }

  /** The viewer's preferences have changed. */
  prefer() {
    const { sound, volume } = this.viewer.preferences;
    this.#sound?.setVolume(volume);
    if (!this.playing || sound === Boolean(this.#sound?.isPlaying)) return;
    this.#restart();
  }

  /** Somebody has gone to a frame: it is played from there on, or a bit of it is heard. @param {number} frame */
  seek(frame) {
    const from = this.#secondsOf(frame);
    if (this.playing) return this.#begin(from);
    if (!this.viewer.preferences.sound) return;
    const to = Math.min(this.#length, videoFramesOf(frame)[1] / (this.viewer.run?.scene.fps ?? 25));
    void this.#ready().then((sound) => {
      if (this.viewer.frame === frame) sound?.sample({ from, to });
    });
  }

  /** @param {number | null} character who is heard alone; again, or null: everybody */
  hear(character) {
    this.solo = character === this.solo ? null : character;
    this.#sound?.hear(this.solo);
    this.viewer.requestDraw();
  }

  /** One voice after the other alone, then everybody. */
  soloNext() {
    const speakers = (this.viewer.run?.sounds?.voices ?? []).flatMap((name, number) => (name ? [number] : []));
    const place = this.solo === null ? -1 : speakers.indexOf(this.solo);
    this.hear(speakers[place + 1] ?? null);
  }

  /** @param {Span | null} span that is to be played over and over, in seconds; null for all of the video */
  loop(span) {
    this.span = span;
    this.#restart();
    if (this.playing && span && (this.position < span.from || this.position >= span.to)) this.#begin(span.from);
    this.viewer.requestDraw();
  }

  /** Where the span begins, or ends, is the frame that is shown. @param {"from" | "to"} end */
  mark(end) {
    const fps = this.viewer.run?.scene.fps ?? 25;
    const [first, after] = videoFramesOf(this.viewer.frame);
    const from = end === "from" ? first / fps : (this.span?.from ?? 0);
    const to = end === "to" ? Math.min(after / fps, this.#length) : (this.span?.to ?? this.#length);
    this.loop(to > from ? { from, to } : null);
  }

  /** For a recording of the span, or of all: its sound where it is on and there is one. */
  async record() {
    const range = this.#range;
    const sound = this.viewer.preferences.sound ? await this.#ready() : undefined;
    if (!sound) return { ...range, stream: undefined, start: () => {}, end: () => {} };
    this.play(false);
    const { stream, back } = sound.divert();
    const end = () => {
      sound.stop();
      back();
    };
    return { ...range, stream, start: () => sound.play(range.from, range), end };
  }
}
