import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { seeded } from './random.ts';

/** Gradients with noise, at half the size and enlarged: a JPEG of it has about the bytes of a photo (0.2 to 0.3 a pixel). */
function scene(width: number, height: number, seed: number): Uint8Array {
  const uniform = seeded(seed);
  const phases = Array.from({ length: 6 }, () => 0.005 + uniform() / 20);
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++, i++) {
        const wave = Math.sin(x * (phases[c] as number)) + Math.sin(y * (phases[c + 3] as number));
        data[i] = 128 + 40 * wave + 40 * (uniform() - 0.5);
      }
    }
  }
  return data;
}

/**
 * Writes a folder of class folders with seeded JPEGs (quality 90, 4:2:0) whose sides lie within a tenth of 500 x 375.
 * The same seed gives the same pixels.
 */
export async function writePhotos(folder: string, images: number, classes: number): Promise<void> {
  for (let i = 0; i < images; i++) {
    const [width, height] = [450 + ((i * 37) % 100), 340 + ((i * 23) % 74)];
    const raw = { width: width >> 1, height: height >> 1, channels: 3 } as const;
    const jpeg = await sharp(scene(raw.width, raw.height, i), { raw })
      .resize(width, height, { fit: 'fill' })
      .jpeg({ quality: 90 })
      .toBuffer();
    const path = join(folder, `class-${i % classes}`);
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, `photo-${String(i).padStart(5, '0')}.jpg`), jpeg);
  }
}
