// @ts-check
/** A WAV file of 16-bit mono samples. @param {Float32Array} samples -1..1 @param {number} rate Hz @returns {Blob} */
export function wavOf(samples, rate) {
  const head = new DataView(new ArrayBuffer(44));
  const text = (/** @type {number} */ at, /** @type {string} */ letters) =>
    [...letters].forEach((letter, place) => head.setUint8(at + place, letter.charCodeAt(0)));
  const bytes = 2 * samples.length;
  text(0, "RIFF");
  head.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true); // PCM
  head.setUint16(22, 1, true); // channel
  head.setUint32(24, rate, true);
  head.setUint32(28, 2 * rate, true);
  head.setUint16(32, 2, true);
  head.setUint16(34, 16, true);
  text(36, "data");
  head.setUint32(40, bytes, true);
  const body = new DataView(new ArrayBuffer(bytes));
  samples.forEach((value, at) => body.setInt16(2 * at, Math.round(Math.max(-1, Math.min(1, value)) * 32767), true));
  return new Blob([head.buffer, body.buffer], { type: "audio/wav" });
}
