import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { GraphView } from '../../src/shapes/graph-view.ts';
import { inferShapes } from '../../src/shapes/index.ts';
import type { Known, OperatorCall } from '../../src/shapes/known.ts';
import { RULES } from '../../src/shapes/operators.ts';

/** What a file may say where a size, an axis, a step or a scale is expected. */
const odd = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: -3, max: 8 }) },
  fc.constantFrom(0, -1, 0.5, 2.5, Number.NaN, Number.POSITIVE_INFINITY, 1e300, 2 ** 53, -(2 ** 63), 4e9, 1e6),
);
const odds = fc.array(odd, { maxLength: 6 });
const known: fc.Arbitrary<Known> = fc.record({
  type: fc.constantFrom(0, 1, 7, 9),
  dims: fc.option(fc.array(fc.integer({ min: 0, max: 2 ** 31 }), { maxLength: 6 }), { nil: undefined }),
  values: fc.option(odds, { nil: undefined }),
  fromImage: fc.boolean(),
});
const small: fc.Arbitrary<Known> = odds.map((values) => ({ type: 7, dims: [values.length], values, fromImage: false }));

const attributes = fc
  .record({ int: fc.option(odd), ints: fc.option(odds), text: fc.string({ maxLength: 9 }), tensor: fc.option(small) })
  .map(
    ({ int, ints, text, tensor }): Pick<OperatorCall, 'int' | 'ints' | 'floats' | 'text' | 'tensor'> => ({
      int: (_, otherwise) => int ?? otherwise,
      ints: () => ints ?? undefined,
      floats: () => ints ?? undefined,
      text: (_, otherwise) => (text.length > 4 ? text : otherwise),
      tensor: () => tensor ?? undefined,
    }),
  );

type Place = GraphView['nodes'][number];
const message = { start: 0, end: 0, tagStart: 0, lengthStart: 0, parent: undefined };
const nodeOf = (opType: string, inputs: readonly string[], outputs: readonly string[]): Place['node'] => {
  const fields = { inputFields: [], outputFields: [], attributes: [] };
  return { message, name: '', opType, domain: '', overload: '', inputs, outputs, ...fields };
};
/** A node that reads the image, constants and what was made before it. */
const node = fc
  .record({
    opType: fc.constantFrom(...RULES.keys()),
    inputs: fc.array(fc.constantFrom('image', 'a', 'b', 'c', 'd', 'n0', 'n1', 'n2', ''), { maxLength: 5 }),
    outputs: fc.integer({ min: 0, max: 3 }),
    attributes,
  })
  .map(({ opType, inputs, outputs, attributes: given }) => ({ opType, inputs, outputs, given }));
const graph = fc
  .record({
    opset: fc.integer({ min: 1, max: 22 }),
    constants: fc.tuple(known, small, small, known),
    nodes: fc.array(node, { minLength: 1, maxLength: 6 }),
  })
  .map(({ opset, constants, nodes }): GraphView => {
    const places = nodes.map(({ opType, inputs, outputs, given }, i): Place => {
      const names = Array.from({ length: outputs }, (_, k) => (k === 0 ? `n${i % 3}` : `n${i}.${k}`));
      return { node: nodeOf(opType, inputs, names), attributes: given };
    });
    return { opset, nodes: places, constants: new Map(constants.map((one, i) => ['abcd'[i] as string, one])) };
  });

test('whatever numbers a graph has, shapes are sizes, unknown, or a mismatch: no rule throws', () => {
  fc.assert(
    fc.property(graph, odds, (view, image) => {
      const sizes = image.filter((size) => Number.isSafeInteger(size) && size >= 0);
      for (const { outputs } of inferShapes(view, { image: sizes }).nodes) {
        for (const { dims, values } of outputs) {
          if (dims) {
            assert.ok(dims.length <= 64);
            for (let i = 0; i < dims.length; i++)
              assert.ok(Number.isSafeInteger(dims[i]) && (dims[i] as number) >= 0, String(dims));
          }
          assert.ok((values?.length ?? 0) <= 1024);
        }
      }
    }),
    { numRuns: 4000 },
  );
});

test('a graph that doubles a value with every node takes no more memory for its last than for its first', () => {
  const none: Place['attributes'] = {
    int: (_, otherwise) => otherwise,
    ints: () => undefined,
    floats: () => undefined,
    text: (_, otherwise) => otherwise,
    tensor: () => undefined,
  };
  const last = (opType: string, a: Known): Known | undefined => {
    const nodes = Array.from({ length: 40 }, (_, i): Place => {
      const from = i === 0 ? 'a' : `x${i - 1}`;
      return { node: nodeOf(opType, [from, from], [`x${i}`]), attributes: none };
    });
    return inferShapes({ opset: 17, nodes, constants: new Map([['a', a]]) }, {}).nodes.at(-1)?.outputs[0];
  };
  const contents = { type: 7, dims: [2], values: [1, 2], fromImage: false };
  assert.deepEqual(last('Concat', contents)?.dims, [2 ** 41]);
  assert.equal(last('Concat', contents)?.values, undefined);
  // Each has the axes of both: twice as many, less one.
  assert.equal(last('Gather', { type: 7, dims: [2, 1], fromImage: false })?.dims, undefined);
});
