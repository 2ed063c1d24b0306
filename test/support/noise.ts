import type { Pixels } from '../../src/data/index.ts';

/** The pixels of fixtures/resample/make.py: noise with many black and white pixels. */
export function noise(width: number, height: number, channels: 1 | 3 | 4): Pixels {
  let state = width * 1000 + height * 10 + channels;
  const data = new Uint8Array(width * height * channels);
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const byte = state >>> 24;
    data[i] = ((state >>> 16) & 3) === 0 ? (byte & 1) * 255 : byte;
  }
  return { data, width, height, channels };
}
