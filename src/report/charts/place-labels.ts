import { type Markup, markup, px } from '../markup.ts';
import { type Box, contains, overlaps } from './geometry.ts';
import { FONT_PX } from './palette.ts';
import { fitText, textWidth } from './text-width.ts';

export interface LabelledPoint {
  readonly x: number;
  readonly y: number;
  readonly label: string;
}

export interface PlacedLabel {
  readonly text: string;
  readonly x: number;
  /** The base line. */
  readonly y: number;
}

const SYMBOL_PX = 6;
const GAP_PX = 4;
const HEIGHT_PX = 13;
const MAX_WIDTH_PX = 170;

/** Where the middle of a label may be, as steps from the point in half-widths and half-heights: beside it first. */
const SIDES: readonly (readonly [number, number])[] = [
  [1, 0],
  [-1, 0],
  [0, -1],
  [0, 1],
  [1, -1],
  [-1, -1],
  [1, 1],
  [-1, 1],
];

/**
 * Puts each label at the first side of its point where it covers no symbol and no label placed before, within bounds;
 * undefined where there is none. Earlier points choose first.
 */
export function placeLabels(points: readonly LabelledPoint[], bounds: Box): (PlacedLabel | undefined)[] {
  const taken: Box[] = points.map(({ x, y }) => ({
    left: x - SYMBOL_PX,
    right: x + SYMBOL_PX,
    top: y - SYMBOL_PX,
    bottom: y + SYMBOL_PX,
  }));
  return points.map(({ x, y, label }) => {
    const text = fitText(label, MAX_WIDTH_PX, FONT_PX);
    const width = textWidth(text, FONT_PX);
    for (const [across, down] of SIDES) {
      const left = x - width / 2 + across * (width / 2 + SYMBOL_PX + GAP_PX);
      const top = y - HEIGHT_PX / 2 + down * (HEIGHT_PX / 2 + SYMBOL_PX + GAP_PX);
      const box: Box = { left, right: left + width, top, bottom: top + HEIGHT_PX };
      if (!contains(bounds, box) || taken.some((other) => overlaps(other, box))) continue;
      taken.push(box);
      return { text, x: left, y: top + HEIGHT_PX - 3 };
    }
    return undefined;
  });
}

export const labelText = (label: PlacedLabel | undefined): Markup | undefined =>
  label && markup`<text x="${px(label.x)}" y="${px(label.y)}">${label.text}</text>\n`;
