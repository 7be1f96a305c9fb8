// @ts-check
import { maskOf } from "./atlas.js";
import { composeHeat, composeMarks, composeSoft, composeWinner, differences, scaleFor } from "./compose.js";
import { paintCaption, paintHeatScale, paintName } from "./labels.js";
import { PAPER, css, dashes } from "./palette.js";
import { Shapes } from "./shapes.js";

/** @typedef {import("./types.js").Colour} Colour */
/** @typedef {import("./types.js").Mode} Mode */
/** @typedef {import("./types.js").Scene} Scene */
/** @typedef {import("./pictures.js").Backdrop} Backdrop */
/** @typedef {{x: number, y: number, width: number, height: number}} Box */
/**
 * @typedef {object} View What is to be drawn of one step in one frame.
 * @property {Scene} scene
 * @property {Uint8Array | undefined} masks [N, T, h, w]
 * @property {Uint8Array} [before] of a difference: the masks that it starts from
 * @property {Backdrop | undefined} backdrop
 * @property {number} frame
 * @property {number[]} visible numbers of the characters that are switched on
 * @property {Colour[]} colours of all characters
 * @property {Mode} mode
 * @property {number} opacity
 * @property {boolean} names
 * @property {boolean} [contested] whether places that several masks claim are marked
 * @property {boolean} [unclaimed] and those that none does
 * @property {boolean} [onion] whether the outlines of the frames around are seen, too
 * @property {string} [caption]
 */

const ONION = [2, 1]; // frames before and after, the farthest first

/** The largest box of the video's shape in the middle of another. @param {Scene} scene @param {Box} box */
export function fit(scene, box) {
  const scale = Math.min(box.width / scene.width, box.height / scene.height);
  const width = scene.width * scale;
  const height = scene.height * scale;
  return { x: box.x + (box.width - width) / 2, y: box.y + (box.height - height) / 2, width, height };
}

/** What two boxes have in common. @param {Box} one @param {Box} other @returns {Box} */
export function common(one, other) {
  const [x, y] = [Math.max(one.x, other.x), Math.max(one.y, other.y)];
  const right = Math.min(one.x + one.width, other.x + other.width);
  const bottom = Math.min(one.y + one.height, other.y + other.height);
  return { x, y, width: Math.max(0, right - x), height: Math.max(0, bottom - y) };
}

/** Draws masks over frames: small first, then enlarged smoothly, with outlines and names in full size. */
export class Painter {
  #small = document.createElement("canvas");
  #shapes = new Shapes();

  /** @param {string} font family for names and captions */
  constructor(font = "sans-serif") {
    this.font = font;
  }

  /**
   * @param {CanvasRenderingContext2D} canvas @param {Box} box of the picture
   * @param {View} view @param {number} unit pixels of the canvas per CSS pixel
   * @param {Box} [seen] the part of the picture that is drawn
   */
  paint(canvas, box, view, unit, seen = box) {
    canvas.save();
    canvas.beginPath();
    canvas.rect(seen.x, seen.y, seen.width, seen.height);
    canvas.clip();
    canvas.fillStyle = css(PAPER);
    canvas.fillRect(box.x, box.y, box.width, box.height);
    if (view.backdrop) this.#paintBackdrop(canvas, box, view.backdrop, view.frame);
    if (view.masks) {
      if (view.mode !== "outline" || view.before) this.#paintTint(canvas, box, view);
      if (view.contested || view.unclaimed) this.#paintMarks(canvas, box, view);
      this.#paintOutlines(canvas, box, view, unit);
      if (view.names) this.#paintNames(canvas, box, view, unit, seen);
      if (view.mode === "heat" && !view.before) paintHeatScale(canvas, seen, unit, this.font);
    }
    if (view.caption) paintCaption(canvas, seen, view.caption, unit, this.font);
    canvas.restore();
  }

  /** @param {CanvasRenderingContext2D} canvas @param {Box} box @param {Backdrop} backdrop @param {number} frame */
  #paintBackdrop(canvas, box, backdrop, frame) {
    const { bitmap, columns, width, height, single } = backdrop;
    canvas.imageSmoothingEnabled = true;
    canvas.imageSmoothingQuality = "high";
    const tile = single ? 0 : frame;
    const left = (tile % columns) * width;
    const top = Math.floor(tile / columns) * height;
    canvas.drawImage(bitmap, left, top, width, height, box.x, box.y, box.width, box.height);
  }

  /** @param {CanvasRenderingContext2D} canvas @param {Box} box @param {View} view */
  #paintTint(canvas, box, view) {
    const [, height, width] = view.scene.grid;
    const { opacity, mode, before } = view;
    const masks = masksOf(view, view.masks);
    const colours = view.visible.map((character) => view.colours[character]);
    const fine = !before && (mode === "winner" || mode === "heat");
    const scale = fine ? scaleFor(width, height, masks.length) : 1;
    this.#paintSmall(canvas, box, view, scale, (out) => {
      if (before) composeSoft(out, differences(masksOf(view, before), masks), colours, opacity);
      else if (mode === "winner") composeWinner(out, masks, colours, opacity, width, height, scale);
      else if (mode === "heat") composeHeat(out, masks, opacity, width, height, scale);
      else composeSoft(out, masks, colours, opacity);
    });
  }

  /** @param {CanvasRenderingContext2D} canvas @param {Box} box @param {View} view */
  #paintMarks(canvas, box, view) {
    const [, height, width] = view.scene.grid;
    const masks = masksOf(view, view.masks);
    const colours = view.visible.map((character) => view.colours[character]);
    const which = { contested: Boolean(view.contested), unclaimed: Boolean(view.unclaimed) };
    const scale = scaleFor(width, height, masks.length);
    this.#paintSmall(canvas, box, view, scale, (out) =>
      composeMarks(out, masks, colours, which, width, height, scale),
    );
  }

  /**
   * Draws something that is made pixel by pixel, so many to a cell's side.
   * @param {CanvasRenderingContext2D} canvas @param {Box} box @param {View} view @param {number} scale
   * @param {(out: Uint8ClampedArray) => void} compose fills RGBA
   */
  #paintSmall(canvas, box, { scene: { grid } }, scale, compose) {
    const [, height, width] = grid;
    const small = this.#small;
    if (small.width !== width * scale || small.height !== height * scale) {
      small.width = width * scale;
      small.height = height * scale;
    }
    const ground = small.getContext("2d");
    if (!ground) return;
    const image = ground.createImageData(small.width, small.height);
    compose(image.data);
    ground.putImageData(image, 0, 0);
    canvas.imageSmoothingEnabled = true;
    canvas.imageSmoothingQuality = "high";
    canvas.drawImage(small, box.x, box.y, box.width, box.height);
  }

  /** @param {CanvasRenderingContext2D} canvas @param {Box} box @param {View} view @param {number} unit */
  #paintOutlines(canvas, box, view, unit) {
    const { masks, before, frame, visible, scene } = view;
    const [frames, height, width] = scene.grid;
    if (!masks) return;
    canvas.save();
    canvas.translate(box.x, box.y);
    canvas.scale(box.width / width, box.height / height);
    canvas.lineCap = canvas.lineJoin = "round";
    const pixel = (unit * width) / box.width;
    const line = { canvas, view, pixel };
    for (const character of visible) {
      if (view.onion)
        for (const far of ONION)
          for (const other of [frame - far, frame + far])
            if (other >= 0 && other < frames)
              this.#stroke(line, masks, character, other, { faint: far, dashed: other > frame });
      if (before) this.#stroke(line, before, character, frame, { dashed: true });
      this.#stroke(line, masks, character, frame);
    }
    canvas.restore();
  }

  /**
   * @param {{canvas: CanvasRenderingContext2D, view: View, pixel: number}} line
   * @param {Uint8Array} masks @param {number} character @param {number} frame
   * @param {{faint?: number, dashed?: boolean}} [how] frames away from the one that is shown; broken for another one
   */
  #stroke({ canvas, view, pixel }, masks, character, frame, { faint = 0, dashed = false } = {}) {
    const { path } = this.#shapes.of(masks, view.scene, character, frame);
    const thick = view.mode === "outline" && !faint && !dashed;
    canvas.globalAlpha = [1, 0.7, 0.4][faint];
    canvas.setLineDash(dashed ? dashes(1).map((length) => 0.7 * length * pixel) : []);
    // A dark rim, so that a line shows on a frame of its own colour.
    canvas.strokeStyle = "rgb(0 0 0 / 0.55)";
    canvas.lineWidth = (thick ? 3.6 : 2.6) * pixel;
    if (!faint) canvas.stroke(path);
    canvas.strokeStyle = css(view.colours[character]);
    canvas.lineWidth = (thick ? 2 : 1.3) * pixel;
    canvas.stroke(path);
    canvas.setLineDash([]);
    canvas.globalAlpha = 1;
  }

  /**
   * @param {CanvasRenderingContext2D} canvas @param {Box} box @param {View} view @param {number} unit
   * @param {Box} seen
   */
  #paintNames(canvas, box, { masks, scene, frame, visible, colours }, unit, seen) {
    const [, height, width] = scene.grid;
    if (!masks) return;
    for (const character of visible) {
      const { name } = this.#shapes.of(masks, scene, character, frame);
      const words = scene.names[character];
      if (!name || !words) continue;
      const place = { x: box.x + (name.x / width) * box.width, y: box.y + (name.y / height) * box.height };
      const { x, y } = place;
      if (x < seen.x || x > seen.x + seen.width || y < seen.y || y > seen.y + seen.height) continue;
      paintName(canvas, seen, words, place, colours[character], unit, this.font);
    }
  }
}

/** The masks of everybody who is switched on. @param {View} view @param {Uint8Array | undefined} masks */
function masksOf({ scene, frame, visible }, masks) {
  return masks ? visible.map((character) => maskOf(masks, scene, character, frame)) : [];
}
