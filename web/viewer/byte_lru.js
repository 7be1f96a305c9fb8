// @ts-check
/**
 * Keeps what was used last, up to a number of bytes; the newest always stays, however large.
 * @template T
 */
export class ByteLru {
  /** @type {Map<string, {value: T, bytes: number}>} */
  #entries = new Map();
  #dropped;
  bytes = 0;

  /** @param {number} most bytes @param {(value: T) => void} [dropped] told of what has to go */
  constructor(most, dropped = () => {}) {
    this.most = most;
    this.#dropped = dropped;
  }

  /** @param {string} key */
  get(key) {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry); // a Map remembers the order: last is newest
    return entry.value;
  }

  /** @param {string} key @param {T} value @param {number} bytes */
  set(key, value, bytes) {
    this.#remove(key);
    this.#entries.set(key, { value, bytes });
    this.bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.bytes <= this.most || oldest === key) break;
      this.#remove(oldest);
    }
  }

  clear() {
    for (const key of [...this.#entries.keys()]) this.#remove(key);
  }

  /** @param {string} key */
  #remove(key) {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.bytes -= entry.bytes;
    this.#dropped(entry.value);
  }
}
