import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveTransform } from '../../../src/data/index.ts';
import { pictureNotes } from '../../../src/evaluate/picture-notes.ts';

const square = (size: number) => ({ height: size, width: size });
const many = (size: number, count = 9) => new Array(count).fill(square(size));

test('pictures that most are enlarged more than twice are remarked on, with the options that may be meant', () => {
  const [note, ...others] = pictureNotes([...many(20), square(500)], [resolveTransform({})]);
  assert.match(note ?? '', /enlarged more than 2x \(by 13 from 20 for inputs of 224\).*`preset` none `size` 20/);
  assert.deepEqual(others, []);
  assert.deepEqual(pictureNotes(many(129), [resolveTransform({})]), []);
  assert.deepEqual(pictureNotes([...many(300), ...many(20, 8)], [resolveTransform({})]), []);
  // A sweep has small sizes too.
  assert.deepEqual(pictureNotes(many(20), [resolveTransform({}), resolveTransform({ size: 20, preset: 'none' })]), []);
});

test("pictures of the network's own size that a preset resizes are remarked on; those of another size are not", () => {
  for (const preset of ['torchvision', 'timm', 'fixres'] as const) {
    const [note] = pictureNotes(many(28), [resolveTransform({ preset, size: 28 })]);
    assert.match(note ?? '', /own size, 28, but are resized to 32 and cropped.*`preset` none `size` 28/, preset);
  }
  assert.deepEqual(pictureNotes(many(28), [resolveTransform({ preset: 'none', size: 28 })]), []);
  assert.deepEqual(pictureNotes(many(32), [resolveTransform({ size: 28 })]), []);
  assert.deepEqual(pictureNotes([], [resolveTransform({})]), []);
  // A sweep is remarked on where every row does so.
  const [own, other] = [resolveTransform({ size: 28 }), resolveTransform({ size: 32 })];
  assert.equal(pictureNotes(many(28), [own, other]).length, 1);
  assert.deepEqual(pictureNotes(many(28), [own, other], 'all'), []);
  assert.equal(pictureNotes(many(28), [own], 'all').length, 1);
});
