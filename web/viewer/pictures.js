// @ts-check
import { tiling, unpackMasks } from "./atlas.js";
import { ByteLru } from "./byte_lru.js";
import { decodeGreyPng } from "./png.js";

/** @typedef {import("./types.js").Scene} Scene */
/**
 * @typedef {object} Backdrop One tile per latent frame, or a single frame in full size.
 * @property {ImageBitmap} bitmap
 * @property {number} columns
 * @property {number} width of a tile
 * @property {number} height of a tile
 * @property {boolean} [single]
 */

const MB = 1024 * 1024;
// Together below 80 MB: 50 steps of three characters at 21 x 60 x 104 are 19 MB of masks, 5 MB of files.
const FILES = 12 * MB;
const MASKS = 40 * MB;
const BACKDROPS = 12 * MB;
const FULL = 12 * MB;

/** The server does not have the picture any more. */
export class Gone extends Error {}
/** The server did not answer. */
export class Unreachable extends Error {}

/** Fetches and decodes the pictures of all runs of a page, each once while it fits into memory. */
export class Pictures {
  #fetch;
  /** @type {Map<string, Promise<any>>} */
  #under_way = new Map();
  /** @type {ByteLru<ArrayBuffer>} */
  #files = new ByteLru(FILES);
  /** @type {ByteLru<Uint8Array>} */
  #masks = new ByteLru(MASKS);
  /** @type {ByteLru<Backdrop>} Not closed when dropped: a viewer may be drawing with it. */
  #backdrops = new ByteLru(BACKDROPS);
  /** @type {ByteLru<Backdrop>} */
  #full = new ByteLru(FULL);

  /** @param {(name: string) => Promise<Response>} fetchPicture from ComfyUI's temp folder */
  constructor(fetchPicture) {
    this.#fetch = fetchPicture;
  }

  /** Bytes that are held now. */
  get bytes() {
    return this.#files.bytes + this.#masks.bytes + this.#backdrops.bytes + this.#full.bytes;
  }

  /** Masks that are decoded already. @param {string | null | undefined} name */
  masksAtHand(name) {
    return name ? this.#masks.get(name) : undefined;
  }

  /** @param {string | null | undefined} name */
  backdropAtHand(name) {
    return name ? this.#backdrops.get(name) : undefined;
  }

  /** @param {string | null | undefined} name */
  fullFrameAtHand(name) {
    return name ? this.#full.get(name) : undefined;
  }

  /** @param {string} name @param {Scene} scene @returns {Promise<Uint8Array>} */
  masks(name, scene) {
    return this.#once(name, this.#masks, async () => {
      const masks = unpackMasks(await decodeGreyPng(await this.file(name)), scene);
      this.#masks.set(name, masks, masks.byteLength);
      return masks;
    });
  }

  /** @param {string} name @param {Scene} scene @returns {Promise<Backdrop>} */
  backdrop(name, scene) {
    return this.#once(name, this.#backdrops, async () => {
      const bitmap = await this.#bitmap(name);
      const { columns, rows } = tiling(scene.grid[0]);
      const backdrop = { bitmap, columns, width: bitmap.width / columns, height: bitmap.height / rows };
      this.#backdrops.set(name, backdrop, 4 * bitmap.width * bitmap.height);
      return backdrop;
    });
  }

  /** A frame in full size. @param {string} name @returns {Promise<Backdrop>} */
  fullFrame(name) {
    return this.#once(name, this.#full, async () => {
      const bitmap = await this.#bitmap(name);
      const { width, height } = bitmap;
      const frame = { bitmap, columns: 1, width, height, single: true };
      this.#full.set(name, frame, 4 * width * height);
      return frame;
    });
  }

  /** @param {string} name */
  async #bitmap(name) {
    return createImageBitmap(new Blob([await this.file(name)]), {
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  }

  /**
   * @template T
   * @param {string} name @param {ByteLru<T>} kept @param {() => Promise<T>} make
   * @returns {Promise<T>}
   */
  #once(name, kept, make) {
    const known = kept.get(name);
    if (known !== undefined) return Promise.resolve(known);
    let promise = this.#under_way.get(name);
    if (!promise) {
      promise = make().finally(() => this.#under_way.delete(name));
      this.#under_way.set(name, promise);
    }
    return promise;
  }

  /** A file of the temp folder as it is. Raises Gone or Unreachable. @param {string} name @returns {Promise<ArrayBuffer>} */
  async file(name) {
    const known = this.#files.get(name);
    if (known) return known;
    let answer;
    try {
      answer = await this.#fetch(name);
      if (answer.ok) {
        const file = await answer.arrayBuffer();
        this.#files.set(name, file, file.byteLength);
        return file;
      }
    } catch (error) {
      throw new Unreachable(String(error));
    }
    if (answer.status === 404) throw new Gone(name);
    throw new Unreachable(`${answer.status}`);
  }
}
