// @ts-check
/** Records the microphone; what comes out is decoded, so that its length is known to the sample. */
import { decoded } from "./sounds.js";

export class Recorder {
  /** @type {MediaRecorder | undefined} */
  #recorder;
  /** @type {Blob[]} */
  #pieces = [];
  #began = 0;

  get recording() {
    return this.#recorder?.state === "recording";
  }

  /** Seconds so far. */
  get seconds() {
    return this.recording ? (performance.now() - this.#began) / 1000 : 0;
  }

  /** Rejects where the browser has no microphone, or the person says no. */
  async start() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
    this.#pieces = [];
    this.#recorder = new MediaRecorder(stream);
    this.#recorder.ondataavailable = ({ data }) => this.#pieces.push(data);
    this.#recorder.start();
    this.#began = performance.now();
  }

  /** @returns {Promise<AudioBuffer>} what was recorded */
  async stop() {
    const recorder = this.#recorder;
    if (!recorder) throw new Error("nothing is recorded");
    await new Promise((done) => {
      recorder.onstop = done;
      recorder.stop();
    });
    this.cancel();
    return decoded(await new Blob(this.#pieces).arrayBuffer());
  }

  /** Lets go of the microphone. */
  cancel() {
    if (this.#recorder?.state === "recording") this.#recorder.stop();
    for (const track of this.#recorder?.stream.getTracks() ?? []) track.stop();
    this.#recorder = undefined;
  }
}
