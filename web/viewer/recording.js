// @ts-check
import { make } from "./dom.js";
import { say } from "./words.js";

// H.264 and AAC, which everything can play and cut, where the browser has them; else what it has.
const VIDEO_TYPES = ["video/mp4;codecs=avc1.640033", "video/webm;codecs=vp9", "video/webm", "video/mp4"];
const SOUND_TYPES = ["video/mp4;codecs=avc1.640033,mp4a.40.2", "video/webm;codecs=vp9,opus", "video/webm", "video/mp4"];
const BITS = 8_000_000; // a second
const TRIES = 2;
const PATIENCE = 10_000; // milliseconds until a browser that does not begin, or does not say, is given up
const HEADER = 1000; // bytes: a file of less holds no picture

/**
 * @typedef {object} Film What is to be recorded.
 * @property {HTMLCanvasElement} canvas
 * @property {number} fps
 * @property {(frame: number) => void | Promise<void>} draw a video frame on the canvas
 * @property {() => Promise<{from: number, to: number, stream?: MediaStream, start: () => void, end: () => void}>} hear
 *   what is to be heard, in seconds of the video
 */

/**
 * Draws frames as fast as they are to be seen, with what is to be heard, and records that. A recording without a
 * picture, as a busy browser may make it, is made again. Raises with a sentence where there is none to be had.
 * @param {Film} film @returns {Promise<{blob: Blob, ending: string}>}
 */
export async function record(film) {
  if (!film.canvas.captureStream || !globalThis.MediaRecorder) throw new Error(say("noRecorder"));
  for (let turn = 0; turn < TRIES; turn++) {
    const blob = await recordOnce(film);
    if (blob && (await hasPicture(blob)))
      return { blob, ending: blob.type.startsWith("video/mp4") ? "mp4" : "webm" };
  }
  throw new Error(say("recordedNothing"));
}

/** @param {Film} film @returns {Promise<Blob | undefined>} undefined where the browser did not begin */
async function recordOnce({ canvas, fps, draw, hear }) {
  const sound = await hear();
  const tracks = [...canvas.captureStream(fps).getTracks(), ...(sound.stream?.getTracks() ?? [])];
  try {
    const types = sound.stream ? SOUND_TYPES : VIDEO_TYPES;
    const type = types.find((known) => MediaRecorder.isTypeSupported(known));
    if (!type) throw new Error(say("noRecorder"));
    const recorder = new MediaRecorder(new MediaStream(tracks), { mimeType: type, videoBitsPerSecond: BITS });
    /** @type {Blob[]} */
    const parts = [];
    recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
    const stopped = new Promise((done) => recorder.addEventListener("stop", done));
    const [first, after] = [sound.from, sound.to].map((at) => Math.round(at * fps));
    const pause = () => new Promise((done) => setTimeout(done, 1000 / fps));
    let started = false;
    recorder.addEventListener("start", () => (started = true));
    recorder.start();
    // Browsers say so with the first bytes that they write, which takes an encoded picture; a busy one drops pictures,
    // and takes none where nothing is drawn.
    for (const since = performance.now(); !started && performance.now() - since < PATIENCE;) {
      await draw(first);
      await pause();
    }
    sound.start();
    const began = performance.now();
    const now = () => first + Math.floor(((performance.now() - began) / 1000) * fps);
    for (let frame = first; started && frame < after; frame = now()) {
      await draw(frame);
      await pause();
    }
    if (recorder.state !== "inactive") recorder.stop();
    await stopped;
    return started ? new Blob(parts, { type }) : undefined;
  } finally {
    sound.end();
    for (const track of tracks) track.stop();
  }
}

/** Whether a browser that opens it has something to show. @param {Blob} blob @returns {Promise<boolean>} */
async function hasPicture(blob) {
  if (blob.size < HEADER) return false;
  const address = URL.createObjectURL(blob);
  const film = make("video", { muted: true, preload: "auto" });
  try {
    return await new Promise((done) => {
      film.addEventListener("loadeddata", () => done(film.videoWidth > 0));
      film.addEventListener("error", () => done(false));
      setTimeout(() => done(true), PATIENCE); // it is too busy to look, and there are enough bytes
      film.src = address;
    });
  } finally {
    film.removeAttribute("src");
    URL.revokeObjectURL(address);
  }
}
