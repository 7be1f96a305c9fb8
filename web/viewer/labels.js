// @ts-check
import { heatOf } from "./compose.js";
import { css } from "./palette.js";

/** @typedef {import("./painter.js").Box} Box */
/** @typedef {import("./types.js").Colour} Colour */

const INK = "rgb(245 245 245)";
const GROUND = "rgb(0 0 0 / 0.62)";
const SIZE = 11; // CSS pixels of letters

/**
 * A name on a ground of its colour, within the part of the picture that is seen.
 * @param {CanvasRenderingContext2D} canvas @param {Box} seen
 * @param {string} name @param {{x: number, y: number}} place of its middle @param {Colour} colour
 * @param {number} unit pixels per CSS pixel @param {string} font family
 */
export function paintName(canvas, seen, name, place, [red, green, blue], unit, font) {
  const size = SIZE * unit;
  canvas.font = `500 ${size}px ${font}`;
  canvas.textAlign = "center";
  canvas.textBaseline = "middle";
  const half = canvas.measureText(name).width / 2 + 6 * unit;
  const left = seen.x + half;
  const x = Math.min(Math.max(place.x, left), Math.max(seen.x + seen.width - half, left));
  const y = Math.min(Math.max(place.y - 3 * unit, seen.y + size), seen.y + seen.height - size);
  canvas.fillStyle = `rgb(${red * 0.3} ${green * 0.3} ${blue * 0.3} / 0.86)`;
  canvas.beginPath();
  canvas.roundRect(x - half, y - size * 0.8, 2 * half, size * 1.6, size * 0.8);
  canvas.fill();
  canvas.fillStyle = INK;
  canvas.fillText(name, x, y + 0.5 * unit);
}

/**
 * A line of words in the lower left corner.
 * @param {CanvasRenderingContext2D} canvas @param {Box} seen @param {string} words @param {number} unit
 * @param {string} font
 */
export function paintCaption(canvas, seen, words, unit, font) {
  const size = SIZE * unit;
  canvas.font = `500 ${size}px ${font}`;
  canvas.textAlign = "left";
  canvas.textBaseline = "middle";
  const width = Math.min(canvas.measureText(words).width + 14 * unit, seen.width - 12 * unit);
  const x = seen.x + 6 * unit;
  const y = seen.y + seen.height - 6 * unit - size * 1.7;
  canvas.fillStyle = GROUND;
  canvas.beginPath();
  canvas.roundRect(x, y, width, size * 1.7, 4 * unit);
  canvas.fill();
  canvas.fillStyle = INK;
  canvas.fillText(words, x + 7 * unit, y + size * 0.88, width - 14 * unit);
}

/**
 * What the colours of the heat map mean, in the lower right corner.
 * @param {CanvasRenderingContext2D} canvas @param {Box} seen @param {number} unit @param {string} font
 */
export function paintHeatScale(canvas, seen, unit, font) {
  const [width, height] = [Math.min(104 * unit, seen.width / 2), 17 * unit];
  const x = seen.x + seen.width - 6 * unit - width;
  const y = seen.y + seen.height - 6 * unit - height;
  canvas.font = `500 ${9.5 * unit}px ${font}`;
  canvas.textBaseline = "middle";
  canvas.fillStyle = GROUND;
  canvas.beginPath();
  canvas.roundRect(x, y, width, height, 4 * unit);
  canvas.fill();
  canvas.fillStyle = INK;
  canvas.textAlign = "left";
  canvas.fillText("0", x + 5 * unit, y + height / 2);
  canvas.textAlign = "right";
  canvas.fillText("100 %", x + width - 5 * unit, y + height / 2);
  const from = x + 14 * unit;
  const room = width - 54 * unit;
  if (room <= 0) return;
  const scale = canvas.createLinearGradient(from, 0, from + room, 0);
  for (let stop = 0; stop <= 8; stop++) scale.addColorStop(stop / 8, css(heatOf(stop / 8)));
  canvas.fillStyle = scale;
  canvas.fillRect(from, y + 5 * unit, room, height - 10 * unit);
}
