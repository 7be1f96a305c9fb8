// @ts-check
const LEVEL = 127.5; // of 255: where outlines lie
const FINE = 3; // squares to a cell's side: a chord is off the curve by about 1/100 of a cell

/**
 * The lines on which a mask passes one half, of the mask as it is seen: enlarged bilinearly, as `composeWinner` and
 * interact_core/preview/masks.py do it. Marching squares, finer than the token grid where a line runs, joined to whole
 * lines; beyond the outermost cells' middles the mask goes on as it is there, so that lines reach the edge.
 * @param {Uint8Array} mask @param {number} width @param {number} height
 * @param {number} [fine] squares to a cell's side; 1 joins crossings of the token grid with straight lines
 * @returns {number[][]} lines [x0, y0, x1, y1, ...] in cells, the middle of the first cell being 0.5, 0.5; a closed one
 *   ends where it begins
 */
export function contoursOf(mask, width, height, fine = FINE) {
  const crossings = new Crossings((width + 1) * fine + 1, fine);
  for (let y = -1; y < height; y++) {
    const upper = Math.max(y, 0) * width;
    const lower = Math.min(y + 1, height - 1) * width;
    for (let x = -1; x < width; x++) {
      const left = Math.max(x, 0);
      const right = Math.min(x + 1, width - 1);
      const a = mask[upper + left];
      const b = mask[upper + right];
      const c = mask[lower + right];
      const d = mask[lower + left];
      const inside = Number(a > LEVEL) + Number(b > LEVEL) + Number(c > LEVEL) + Number(d > LEVEL);
      // A bilinear patch lies between its corners.
      if (inside !== 0 && inside !== 4) crossings.patch((x + 1) * fine, (y + 1) * fine, a, b, c, d);
    }
  }
  return crossings.lines();
}

/** Where a level crosses the edges of a grid, and what joins these places. */
class Crossings {
  /** The number of a crossing, by its edge. @type {Map<number, number>} */
  #numbers = new Map();
  /** @type {number[]} */
  #x = [];
  /** @type {number[]} */
  #y = [];
  /** The one or two that a line goes on to, two for each crossing; -1 for none. @type {number[]} */
  #next = [];

  /** @param {number} stride edges in a row @param {number} fine squares to a cell's side */
  constructor(stride, fine) {
    this.stride = stride;
    this.fine = fine;
  }

  /**
   * The squares between the middles of four cells.
   * @param {number} x @param {number} y of the first square
   * @param {number} a @param {number} b @param {number} c @param {number} d corners, clockwise from the upper left
   */
  patch(x, y, a, b, c, d) {
    const { fine } = this;
    for (let row = 0; row < fine; row++) {
      const [v, w] = [row / fine, (row + 1) / fine];
      const [left, leftBelow] = [a + v * (d - a), a + w * (d - a)];
      const [across, acrossBelow] = [b + v * (c - b) - left, b + w * (c - b) - leftBelow];
      let one = left - LEVEL;
      let four = leftBelow - LEVEL;
      for (let column = 1; column <= fine; column++) {
        const two = left + (column / fine) * across - LEVEL;
        const three = leftBelow + (column / fine) * acrossBelow - LEVEL;
        this.#square(x + column - 1, y + row, one, two, three, four);
        one = two;
        four = three;
      }
    }
  }

  /**
   * @param {number} x @param {number} y
   * @param {number} a @param {number} b @param {number} c @param {number} d corners, above 0 inside
   */
  #square(x, y, a, b, c, d) {
    const kind = (a > 0 ? 8 : 0) | (b > 0 ? 4 : 0) | (c > 0 ? 2 : 0) | (d > 0 ? 1 : 0);
    if (kind === 0 || kind === 15) return;
    const middle = a + b + c + d > 0;
    const sides = SQUARES[kind === 5 && middle ? 16 : kind === 10 && middle ? 17 : kind];
    for (let at = 0; at < sides.length; at += 2) {
      const [from, to] = [sides[at], sides[at + 1]].map((side) => {
        if (side === "n") return this.#cross(x, y, 1, a, b);
        if (side === "s") return this.#cross(x, y + 1, 1, d, c);
        return side === "w" ? this.#cross(x, y, 0, a, d) : this.#cross(x + 1, y, 0, b, c);
      });
      this.#next[2 * from + Number(this.#next[2 * from] >= 0)] = to;
      this.#next[2 * to + Number(this.#next[2 * to] >= 0)] = from;
    }
  }

  /**
   * @param {number} x @param {number} y where the edge begins @param {0 | 1} across else down
   * @param {number} from @param {number} to values at its ends
   */
  #cross(x, y, across, from, to) {
    const key = 2 * (y * this.stride + x) + across;
    let number = this.#numbers.get(key);
    if (number !== undefined) return number;
    number = this.#x.length;
    this.#numbers.set(key, number);
    const share = from / (from - to);
    // The grid begins in the middle of the cell before the first one.
    this.#x.push((across ? x + share : x) / this.fine - 0.5);
    this.#y.push((across ? y : y + share) / this.fine - 0.5);
    this.#next.push(-1, -1);
    return number;
  }

  lines() {
    const count = this.#x.length;
    const done = new Uint8Array(count);
    /** @type {number[][]} */
    const lines = [];
    const follow = (/** @type {number} */ start) => {
      /** @type {number[]} */
      const line = [];
      let at = start;
      while (at >= 0 && !done[at]) {
        done[at] = 1;
        line.push(this.#x[at], this.#y[at]);
        const [one, other] = [this.#next[2 * at], this.#next[2 * at + 1]];
        at = one >= 0 && !done[one] ? one : other;
      }
      if (at >= 0 && this.#next[2 * start + 1] >= 0) line.push(this.#x[start], this.#y[start]);
      lines.push(line);
    };
    for (let at = 0; at < count; at++) if (!done[at] && this.#next[2 * at + 1] < 0) follow(at); // from an end
    for (let at = 0; at < count; at++) if (!done[at]) follow(at);
    return lines;
  }
}

// Sides that the line connects, by which corners (a b c d, clockwise from the upper left) lie inside; 16 and
// 17 are the two ambiguous squares with an inside middle.
// prettier-ignore
const SQUARES = [
  "", "sw", "es", "ew", "ne", "nesw", "ns", "nw", "nw", "ns", "nwes", "ne", "ew", "es", "sw", "",
  "nwes", "nesw",
];
