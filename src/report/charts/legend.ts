import { type Markup, markup, px } from '../markup.ts';
import { FONT_PX, lineClass, seriesClass, symbolMark } from './palette.ts';
import { fitText, textWidth } from './text-width.ts';

export interface LegendItem {
  readonly name: string;
  readonly series: number;
  /** How the series is drawn: symbols, a solid or dashed line, or bars. */
  readonly mark: 'symbol' | 'line' | 'predicted' | 'bar' | 'gap';
}

export interface Legend {
  readonly heightPx: number;
  readonly drawing: Markup;
}

const ROW_PX = 18;
const SWATCH_PX = 20;
const GAP_PX = 18;

function swatch({ series, mark }: LegendItem, x: number, y: number): Markup {
  if (mark === 'symbol') return symbolMark(series, x + SWATCH_PX / 2, y);
  if (mark === 'bar' || mark === 'gap') {
    return markup`<rect class="${mark} ${seriesClass(series)}" x="${px(x + 3)}" y="${px(y - 5)}" width="14" height="10"/>`;
  }
  const dash = mark === 'predicted' ? ' predicted' : '';
  return markup`<path class="line${dash} ${lineClass(series)}" d="M${px(x)},${px(y)}h${SWATCH_PX}"/>`;
}

/** The names of series in rows that fill the width; nothing where there is a single one. */
export function legend(items: readonly LegendItem[], left: number, top: number, widthPx: number): Legend {
  if (items.length < 2) return { heightPx: 0, drawing: markup`` };
  let [x, row] = [left, 0];
  const drawn = items.map((item) => {
    const name = fitText(item.name, widthPx - SWATCH_PX - 6, FONT_PX);
    const width = SWATCH_PX + 6 + textWidth(name, FONT_PX);
    if (x > left && x + width > left + widthPx) [x, row] = [left, row + 1];
    const y = top + ROW_PX * row + ROW_PX / 2;
    const drawing = markup`${swatch(item, x, y)}<text x="${px(x + SWATCH_PX + 6)}" y="${px(y + 4)}">${name}</text>\n`;
    x += width + GAP_PX;
    return drawing;
  });
  return { heightPx: ROW_PX * (row + 1) + 6, drawing: markup`${drawn}` };
}
