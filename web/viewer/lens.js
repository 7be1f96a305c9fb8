// @ts-check
/** How far the picture is enlarged, and which part of it is seen; the same for all pictures on a stage. */

/** @typedef {import("./painter.js").Box} Box */
/** @typedef {{x: number, y: number}} Point in CSS pixels of the stage */

const MOST = 16;
const STEP = 1.25; // of a key
const SPEED = { wheel: 0.0015, pinch: 0.01 }; // natural logarithms per pixel that the wheel says

export class Lens {
  scale = 1;
  /** What of the picture is in the middle, 0..1. */
  x = 0.5;
  y = 0.5;

  get isWhole() {
    return this.scale === 1;
  }

  reset() {
    this.scale = 1;
    this.x = this.y = 0.5;
  }

  /**
   * Where a picture lies that is not enlarged at `box`, within the room that it has.
   * @param {Box} box @param {Box} room @returns {Box}
   */
  enlarge(box, room) {
    const width = box.width * this.scale;
    const height = box.height * this.scale;
    return {
      x: along(room.x, room.width, width, this.x),
      y: along(room.y, room.height, height, this.y),
      width,
      height,
    };
  }

  /**
   * Enlarges so that what lies under a point stays there.
   * @param {number} factor @param {Box} box @param {Box} room of the picture that the point is on
   * @param {Point} [point] its middle
   */
  zoom(factor, box, room, point = { x: room.x + room.width / 2, y: room.y + room.height / 2 }) {
    const before = this.enlarge(box, room);
    const u = (point.x - before.x) / before.width;
    const v = (point.y - before.y) / before.height;
    this.scale = Math.min(Math.max(this.scale * factor, 1), MOST);
    if (this.scale < 1.02) return this.reset();
    const [width, height] = [box.width * this.scale, box.height * this.scale];
    this.#look(u + (room.x + room.width / 2 - point.x) / width, v + (room.y + room.height / 2 - point.y) / height);
    return this.#settle(box, room);
  }

  /** @param {number} steps of a key, below 0 to make it smaller @param {Box} box @param {Box} room */
  zoomBy(steps, box, room) {
    this.zoom(STEP ** steps, box, room);
  }

  /** @param {WheelEvent} event @param {Box} box @param {Box} room @param {Point} point */
  wheel(event, box, room, point) {
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1);
    // A pinch on a touch pad comes as a wheel with Ctrl, in small numbers.
    const speed = event.ctrlKey && Math.abs(pixels) < 50 ? SPEED.pinch : SPEED.wheel;
    this.zoom(Math.exp(-pixels * speed), box, room, point);
  }

  /** Moves the picture. @param {number} x @param {number} y CSS pixels @param {Box} box @param {Box} room */
  pan(x, y, box, room) {
    this.#look(this.x - x / (box.width * this.scale), this.y - y / (box.height * this.scale));
    this.#settle(box, room);
  }

  /** @param {number} x @param {number} y */
  #look(x, y) {
    this.x = x;
    this.y = y;
  }

  /** Looks where `enlarge` says that it does: beyond the edges is nothing to be seen. @param {Box} box @param {Box} room */
  #settle(box, room) {
    const seen = this.enlarge(box, room);
    this.#look(
      (room.x + room.width / 2 - seen.x) / seen.width,
      (room.y + room.height / 2 - seen.y) / seen.height,
    );
  }
}

/**
 * Where a picture begins that is looked at in a place, so that no room is left while it could be filled.
 * @param {number} from @param {number} room @param {number} size @param {number} place 0..1
 */
function along(from, room, size, place) {
  if (size <= room) return from + (room - size) / 2;
  return Math.min(from, Math.max(from + room - size, from + room / 2 - place * size));
}
