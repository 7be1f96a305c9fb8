// @ts-check
/** How long recordings are, asked of the browser once for each; it reads no more of a file than it needs. */

/** @typedef {{kind: "example" | "input", file: string}} Source */

const MOST = 500; // recordings that are remembered

export class RecordingLengths {
  /** Seconds by address; undefined while one is looked at, and where it is none. @type {Map<string, number | undefined>} */
  #known = new Map();
  /** How many are looked at now. */
  pending = 0;

  /** @param {(source: Source) => string} addressOf @param {() => void} arrived */
  constructor(addressOf, arrived) {
    this.addressOf = addressOf;
    this.arrived = arrived;
  }

  /** @param {Source} source @returns {number | undefined} */
  get(source) {
    const address = this.addressOf(source);
    if (!this.#known.has(address)) this.#ask(address);
    return this.#known.get(address);
  }

  /** @param {string} address */
  #ask(address) {
    if (this.#known.size >= MOST) this.#known.clear();
    this.#known.set(address, undefined);
    const sound = new Audio();
    sound.preload = "metadata";
    this.pending += 1;
    let asked = true;
    const done = () => {
      if (!asked) return;
      asked = false;
      if (Number.isFinite(sound.duration)) this.#known.set(address, sound.duration);
      this.pending -= 1;
      sound.removeAttribute("src");
      this.arrived();
    };
    for (const event of ["loadedmetadata", "error"]) sound.addEventListener(event, done, { once: true });
    sound.src = address;
  }
}
