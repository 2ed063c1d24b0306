import { type Markup, markup, px } from '../markup.ts';
import { type Box, contains, overlaps } from './geometry.ts';
import { FONT_PX } from './palette.ts';
import { fitText, textWidth } from './text-width.ts';

export interface LabelledPoint {
  readonly x: number;
  readonly y: number;
  readonly label: string;
  /** The label stands beside, above or below, or nowhere: of less weight. */
  readonly minor?: boolean;
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
/** Sides at which it is plain which point a label belongs to. */
const STRAIGHT = 4;

const around = ({ x, y }: { readonly x: number; readonly y: number }, px: number): Box => ({
  left: x - px,
  right: x + px,
  top: y - px,
  bottom: y + px,
});

/** Half of what is kept free around a line. */
const LINE_PX = 2;

/** A line through points as boxes that labels keep off. */
export function lineBoxes(points: readonly { readonly x: number; readonly y: number }[]): Box[] {
  return points.flatMap((to, i) => {
    const from = points[i - 1] ?? to;
    const steps = Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / (2 * LINE_PX));
    return Array.from({ length: steps }, (_, step) =>
      around({ x: from.x + ((to.x - from.x) * step) / steps, y: from.y + ((to.y - from.y) * step) / steps }, LINE_PX),
    );
  });
}

/**
 * Puts each label at the first side of its point where it covers no symbol, no line and no label placed before, within
 * bounds; undefined where there is none. Earlier points choose first.
 */
export function placeLabels(
  points: readonly LabelledPoint[],
  bounds: Box,
  lines: readonly Box[] = [],
): (PlacedLabel | undefined)[] {
  const taken: Box[] = [...points.map((point) => around(point, SYMBOL_PX)), ...lines];
  return points.map(({ x, y, label, minor }) => {
    const text = fitText(label, MAX_WIDTH_PX, FONT_PX);
    const width = textWidth(text, FONT_PX);
    for (const [across, down] of minor ? SIDES.slice(0, STRAIGHT) : SIDES) {
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

const drawLabel = ({ x, y, text }: PlacedLabel, classes: string): Markup =>
  markup`<text class="${classes}" x="${px(x)}" y="${px(y)}">${text}</text>\n`;

export const labelText = (label: PlacedLabel | undefined): Markup | undefined => label && drawLabel(label, 'halo');
export const levelText = (label: PlacedLabel): Markup => drawLabel(label, 'quiet');

/** Places along a level line at which its label is tried. */
const LEVEL_STEPS = 12;

/**
 * Puts the label of a level line above or below it where it covers no symbol and no line, as far to the right as there
 * is such a place; above the right end where there is none.
 */
export function placeAtLevel(label: string, y: number, { left, right }: Box, taken: readonly Box[]): PlacedLabel {
  const text = fitText(label, (right - left) / 2, FONT_PX);
  const width = textWidth(text, FONT_PX);
  const places = Array.from({ length: LEVEL_STEPS }, (_, step): Box[] => {
    const x = right - width - ((right - left - width) * step) / LEVEL_STEPS;
    return [y - HEIGHT_PX - 2, y + 2].map((top) => ({ left: x, right: x + width, top, bottom: top + HEIGHT_PX }));
  }).flat();
  const place = places.find((box) => !taken.some((other) => overlaps(other, box))) ?? (places[0] as Box);
  return { text, x: place.left, y: place.bottom - 3 };
}

/** What symbols and lines of a series cover. */
export const seriesBoxes = (points: readonly { readonly x: number; readonly y: number }[]): Box[] => [
  ...lineBoxes(points),
  ...points.map((point) => around(point, SYMBOL_PX)),
];
