/** Coloured pictures in eight classes, drawn by a seed: glyphs of two colours on striped ground, oblong, with noise. */
import type { Pixels } from '../../src/data/index.ts';
import { seeded } from './random.ts';

type Colour = readonly [red: number, green: number, blue: number];

/** Red and blue differ, so that the order of colours matters. */
const COLOURS: readonly Colour[] = [
  [205, 90, 60],
  [60, 90, 205],
];
/** Whether a point of the square from -1 to 1 is of the glyph. */
const GLYPHS: readonly ((x: number, y: number) => boolean)[] = [
  (x, y) => x * x + y * y < 1,
  (x, y) => Math.abs(x) < 0.3 || Math.abs(y) < 0.3,
  (x, y) => {
    const distance = x * x + y * y;
    return distance < 1 && distance > 0.45;
  },
  (x, y) => Math.abs(((x + 1) * 2.5) % 1) < 0.5 && Math.abs(y) < 0.9,
];

export const DRAWN_CLASSES = COLOURS.length * GLYPHS.length;

/** Picture `index`, of class `index % DRAWN_CLASSES`. The same number gives the same pixels. */
export function drawnPicture(index: number, [width, height]: readonly [number, number] = [60, 44]): Pixels {
  const uniform = seeded(0x9e3779b9 ^ Math.imul(index + 1, 0x85ebca6b));
  const between = (low: number, high: number): number => low + (high - low) * uniform();
  const kind = index % DRAWN_CLASSES;
  const colour = COLOURS[kind % COLOURS.length] as Colour;
  const isOf = GLYPHS[Math.floor(kind / COLOURS.length)] as (typeof GLYPHS)[number];
  const ground: Colour = [between(60, 200), between(60, 200), between(60, 200)];
  const light = between(0.55, 1.15);
  const radius = between(0.26, 0.42) * height;
  const centre = [between(0.42, 0.58) * width, between(0.42, 0.58) * height] as const;
  const [stripe, phase] = [between(0.1, 0.5), between(0, 6)];
  const tint = COLOURS.map(() => between(-22, 22));
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = [(x - centre[0]) / radius, (y - centre[1]) / radius];
      const inside = Math.max(Math.abs(u), Math.abs(v)) < 1 && isOf(u, v);
      const wave = inside ? 0 : 12 * Math.sin(stripe * (x + 2 * y) + phase);
      for (let c = 0; c < 3; c++, at++) {
        const base = (inside ? (colour[c] as number) : (ground[c] as number)) + (tint[c % 2] as number) + wave;
        data[at] = Math.max(0, Math.min(255, light * base + 24 * (uniform() - 0.5)));
      }
    }
  }
  return { data, width, height, channels: 3 };
}
