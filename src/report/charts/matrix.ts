import type { MatrixChart } from '../chart.ts';
import { markup, px } from '../markup.ts';
import { FONT_PX } from './palette.ts';
import type { Picture } from './picture.ts';
import { fitText, textWidth } from './text-width.ts';

const MAX_LABEL_PX = 180;
const MAX_CELL_PX = 36;
/** Cells from here on have room for a number of two digits. */
const NUMBERED_PX = 22;
const GAP_PX = 6;
const TOP_PX = 20;
/** The darkest cell: numbers stay readable on it. */
const DARKEST = 0.6;

/** Rows are what was meant, columns what was said; columns bear the numbers of the rows, so that names are read once. */
export function matrixPicture({ names, cells }: MatrixChart, widthPx: number): Picture {
  const labels = names.map((name, i) => `${name} · ${i + 1}`);
  const room = Math.min(MAX_LABEL_PX, widthPx / 3);
  const labelPx = Math.max(0, ...labels.map((label) => textWidth(fitText(label, room, FONT_PX), FONT_PX)));
  const left = labelPx + GAP_PX;
  const cellPx = Math.min(MAX_CELL_PX, (widthPx - left) / Math.max(1, names.length));
  const bottom = TOP_PX + cellPx * names.length;
  const every = Math.max(1, Math.ceil(textWidth('00', FONT_PX) / cellPx));
  const middle = (place: number): number => (place + 0.5) * cellPx;
  const rows = labels.map(
    (label, i) =>
      markup`<text class="end" x="${px(labelPx)}" y="${px(TOP_PX + middle(i) + 4)}">${fitText(label, room, FONT_PX)}</text><line class="grid" x1="${px(left)}" x2="${px(left + cellPx * names.length)}" y1="${px(TOP_PX + cellPx * i)}" y2="${px(TOP_PX + cellPx * i)}"/>\n`,
  );
  const columns = names.map((_, i) =>
    i % every === 0
      ? markup`<text class="quiet middle" x="${px(left + middle(i))}" y="${px(TOP_PX - 6)}">${i + 1}</text>\n`
      : undefined,
  );
  const squares = cells.map(({ row, column, count, share }) => {
    const [x, y] = [left + cellPx * column, TOP_PX + cellPx * row];
    const title = `${names[row]} taken for ${names[column]}: ${count} images, ${(100 * share).toFixed(1)} %`;
    // What is right is grey: the eye is to find what is not.
    const series = row === column ? 's4' : 's1';
    const percent = Math.round(100 * share);
    const number =
      cellPx >= NUMBERED_PX && percent > 0
        ? markup`<text class="middle" x="${px(x + cellPx / 2)}" y="${px(y + cellPx / 2 + 4)}">${percent}</text>`
        : undefined;
    return markup`<g><title>${title}</title><rect class="bar ${series}" stroke-opacity="0" fill-opacity="${(DARKEST * Math.sqrt(share)).toFixed(2)}" x="${px(x)}" y="${px(y)}" width="${px(cellPx)}" height="${px(cellPx)}"/>${number}</g>\n`;
  });
  return { heightPx: bottom + GAP_PX, drawing: markup`${rows}${columns}${squares}` };
}
