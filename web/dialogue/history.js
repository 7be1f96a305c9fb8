// @ts-check
/** Undo and redo of whatever is kept whole. @template State */
export class History {
  /** @type {State[]} */
  #before = [];
  /** @type {State[]} */
  #after = [];
  #kind = "";

  /** @param {State} now @param {number} [most] */
  constructor(now, most = 200) {
    this.now = now;
    this.most = most;
  }

  /**
   * @param {State} next
   * @param {string} [kind] edits of one kind in a row are one step, such as those of a drag; "" never
   */
  push(next, kind = "") {
    if (!kind || kind !== this.#kind || !this.#before.length) this.#before.push(this.now);
    if (this.#before.length > this.most) this.#before.shift();
    this.#after = [];
    this.#kind = kind;
    this.now = next;
  }

  /** What comes next is a step of its own. */
  settle() {
    this.#kind = "";
  }

  /** @returns {State | undefined} the state before, which is then that of now */
  undo() {
    return this.#go(this.#before, this.#after);
  }

  /** @returns {State | undefined} */
  redo() {
    return this.#go(this.#after, this.#before);
  }

  get canUndo() {
    return this.#before.length > 0;
  }

  get canRedo() {
    return this.#after.length > 0;
  }

  /** @param {State[]} from @param {State[]} to */
  #go(from, to) {
    this.#kind = "";
    if (!from.length) return undefined;
    to.push(this.now);
    this.now = /** @type {State} */ (from.pop());
    return this.now;
  }
}
