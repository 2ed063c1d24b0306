/** Mirror images of tensors: left and right exchanged, channels and rows where they were. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mirrored } from '../../../src/evaluate/mirror.ts';

const side = fc.integer({ min: 1, max: 4 });

test('the pixel x of every row and channel is the pixel width - 1 - x of the image, in both layouts, and in every type', () => {
  fc.assert(
    fc.property(side, side, side, side, fc.boolean(), (n, channels, height, width, isFirst) => {
      const layout = isFirst ? 'NCHW' : 'NHWC';
      const dims = isFirst ? [n, channels, height, width] : [n, height, width, channels];
      const at = (i: number, c: number, y: number, x: number): number =>
        isFirst ? ((i * channels + c) * height + y) * width + x : ((i * height + y) * width + x) * channels + c;
      for (const [type, data] of [
        ['float32', Float32Array.from({ length: n * channels * height * width }, (_, i) => i)],
        ['float16', Uint16Array.from({ length: n * channels * height * width }, (_, i) => i)],
      ] as const) {
        const before = data.slice();
        const images = { type, dims, data };
        const found = mirrored(images, layout);
        for (let i = 0; i < n; i++)
          for (let c = 0; c < channels; c++)
            for (let y = 0; y < height; y++)
              for (let x = 0; x < width; x++)
                assert.equal(found.data[at(i, c, y, x)], data[at(i, c, y, width - 1 - x)]);
        assert.deepEqual(mirrored(found, layout), images);
        assert.deepEqual(data, before);
      }
    }),
  );
});
