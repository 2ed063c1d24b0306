import { printable } from '../../core/index.ts';

/**
 * Widths in units of the font size, of the widest common system fonts (DejaVu Sans, Verdana), whichever is wider; text is laid
 * out without a browser.
 */
const WIDTHS: readonly (readonly [characters: RegExp, width: number])[] = [
  [/[fijlrt.,:;'|!()[\]\s-]/, 0.46],
  [/[a-ln-vx-z0-9_/*"?{}$]/, 0.64],
  [/[mMW@%\u2014\u2026]/, 1.08],
  [/[wA-Z<>=+~#&]/, 0.84],
  // Scripts whose characters are as wide as high.
  [/[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uff60]|[\u{1f000}-\u{1faff}]/u, 1.05],
];
/** Of every other character. */
const OTHER = 0.84;

const characterWidth = (character: string): number =>
  WIDTHS.find(([characters]) => characters.test(character))?.[1] ?? OTHER;

/** An upper estimate of how wide a line of text is drawn. */
export function textWidth(text: string, fontPx: number): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width * fontPx;
}

/** The text, or its two ends around an ellipsis: names of files differ at either end. */
export function fitText(name: string, widthPx: number, fontPx: number): string {
  const text = printable(name);
  if (textWidth(text, fontPx) <= widthPx) return text;
  const characters = Array.from(text);
  const room = widthPx - textWidth('…', fontPx);
  let [head, tail, used] = [0, 0, 0];
  for (;;) {
    const fromHead = head <= tail;
    const next = (fromHead ? characters[head] : characters[characters.length - 1 - tail]) ?? '';
    used += textWidth(next, fontPx);
    if (used > room || head + tail >= characters.length) break;
    if (fromHead) head++;
    else tail++;
  }
  return `${characters.slice(0, head).join('')}…${tail === 0 ? '' : characters.slice(-tail).join('')}`;
}

/** Words in lines of at most this width; a word that is wider is shortened. */
export function wrapText(text: string, widthPx: number, fontPx: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    const last = lines.at(-1);
    if (last !== undefined && textWidth(`${last} ${word}`, fontPx) <= widthPx)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(fitText(word, widthPx, fontPx));
  }
  return lines;
}
