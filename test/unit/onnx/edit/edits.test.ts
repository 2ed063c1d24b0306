import assert from 'node:assert/strict';
import { test } from 'node:test';
import onnxProto from 'onnx-proto';
import {
  appendInitializer,
  appendMetadata,
  type Edit,
  insertNode,
  type Model,
  modelFromBytes,
  type NodeRecord,
  openPayload,
  removeInitializer,
  renameOutput,
  replaceGraphInput,
  replaceInline,
  rewireInput,
  setDataType,
  setExternalData,
  setOutputs,
  setTensorName,
  type TensorRecord,
} from '../../../../src/onnx/index.ts';
import { applyEdits } from '../../../support/apply-edits.ts';
import { assertFails } from '../../../support/assert-fails.ts';
import {
  attributes,
  float32,
  futureModelProto,
  type ModelSpec,
  modelProto,
  type TensorSpec,
} from '../../../support/onnx-messages.ts';
import { double, float, message } from '../../../support/wire-fields.ts';

const { ModelProto } = onnxProto.onnx;
type Decoded = onnxProto.onnx.ModelProto;

/** The second route: the same change made on onnx-proto's objects must decode from the edited bytes. */
function check(spec: ModelSpec, edits: (model: Model) => readonly Edit[], change: (decoded: Decoded) => void): Buffer {
  const bytes = modelProto(spec);
  const model = modelFromBytes(bytes);
  const result = applyEdits(model, edits(model));
  const expected = ModelProto.decode(bytes);
  change(expected);
  assert.deepEqual(ModelProto.toObject(ModelProto.decode(result)), ModelProto.toObject(expected));
  // The walk reads the result as well.
  modelFromBytes(result);
  return result;
}

const SPEC: ModelSpec = {
  graph: {
    inputs: [{ name: 'x', type: 1, dims: [2] }],
    outputs: [{ name: 'y', type: 1, dims: [2] }],
    initializers: [
      { name: 'w', dims: [2], values: [1, 2] },
      { name: 'typed', dims: [3], fields: [float(4, 1), message(12, 'doc'), float(4, 2), message(4, float32(3))] },
    ],
    nodes: [
      { op: 'Mul', inputs: ['x', 'w'], outputs: ['t'] },
      { op: 'Relu', inputs: [], outputs: ['u'] },
      { op: 'Add', inputs: ['t', 'typed'], outputs: ['y'] },
    ],
  },
};
const initializer = (model: Model, i: number): TensorRecord => model.record.graph.initializers[i] as TensorRecord;
const node = (model: Model, i: number): NodeRecord => model.record.graph.nodes[i] as NodeRecord;
const NEW = float32(7, 8);

test('a payload of equal length is replaced in place: every other byte stays', () => {
  const result = check(
    SPEC,
    (m) => replaceInline(initializer(m, 0), NEW),
    ({ graph }) => {
      Object.assign(graph?.initializer?.[0] ?? {}, { rawData: Buffer.from(NEW) });
    },
  );
  const before = Buffer.from(modelProto(SPEC));
  const at = before.indexOf(float32(1, 2));
  assert.ok(result.subarray(0, at).equals(before.subarray(0, at)));
  assert.ok(result.subarray(at + 8).equals(before.subarray(at + 8)));
});

test('typed values become raw_data, every chunk of the typed field removed', () => {
  const nine = float32(7, 8, 9);
  const result = check(
    SPEC,
    (m) => replaceInline(initializer(m, 1), nine),
    ({ graph }) => {
      const tensor = graph?.initializer?.[1] as onnxProto.onnx.ITensorProto;
      tensor.floatData = [];
      tensor.rawData = Buffer.from(nine);
    },
  );
  assert.ok(result.includes('doc'));
});

test('a tensor gets another type, name, and external data; nothing of the old place is left', () => {
  const { FLOAT16 } = onnxProto.onnx.TensorProto.DataType;
  check(
    SPEC,
    (m) => [
      ...setDataType(initializer(m, 0), FLOAT16),
      ...setTensorName(initializer(m, 0), 'v'),
      ...replaceInline(initializer(m, 0), Buffer.alloc(4)),
    ],
    ({ graph }) =>
      Object.assign(graph?.initializer?.[0] ?? {}, { dataType: FLOAT16, name: 'v', rawData: Buffer.alloc(4) }),
  );
  const externalData = [
    { key: 'location', value: 'new.data' },
    { key: 'offset', value: '4096' },
    { key: 'length', value: '12' },
  ];
  check(
    SPEC,
    (m) => setExternalData(initializer(m, 1), 'new.data', 4096),
    ({ graph }) => Object.assign(graph?.initializer?.[1] ?? {}, { floatData: [], dataLocation: 1, externalData }),
  );
  const external = { name: 'w', dims: [2], external: { location: 'old', offset: 0, length: 8, checksum: 'abc' } };
  check(
    { graph: { initializers: [external] } },
    (m) => setExternalData(initializer(m, 0), 'new.data', 4096, 8),
    ({ graph }) =>
      Object.assign(graph?.initializer?.[0] ?? {}, {
        externalData: externalData.map((entry) => (entry.key === 'length' ? { key: 'length', value: '8' } : entry)),
      }),
  );
  check(
    { graph: { initializers: [external] } },
    (m) => replaceInline(initializer(m, 0), NEW),
    ({ graph }) => {
      const { dims, dataType, name } = (graph?.initializer?.[0] ?? {}) as onnxProto.onnx.ITensorProto;
      graph?.initializer?.splice(
        0,
        1,
        onnxProto.onnx.TensorProto.create({ dims, dataType, name, rawData: Buffer.from(NEW) } as object),
      );
    },
  );
});

test('nodes are inserted before a node, behind the last one, and into an empty graph', () => {
  const cast = { opType: 'Cast', inputs: ['w'], outputs: ['c'], name: 'n', attributes: { to: 1 } };
  const decoded = {
    opType: 'Cast',
    input: ['w'],
    output: ['c'],
    name: 'n',
    attribute: [{ name: 'to', type: 2, i: 1 }],
  };
  const inserted = onnxProto.onnx.NodeProto.decode(onnxProto.onnx.NodeProto.encode(decoded).finish());
  for (const at of [0, 1, 2, 3]) {
    check(
      SPEC,
      (m) => [insertNode(m.record.graph, cast, m.record.graph.nodes[at])],
      ({ graph }) => void graph?.node?.splice(at, 0, inserted),
    );
  }
  check(
    { graph: {} },
    (m) => [insertNode(m.record.graph, cast)],
    ({ graph }) => void graph?.node?.push(inserted),
  );
  const functions = [{ name: 'f', domain: 'my', inputs: [], outputs: [], nodes: [{ op: 'Relu' }] }];
  const model = modelFromBytes(modelProto({ graph: {}, functions }));
  const [f] = model.record.functions;
  assert.ok(f);
  const result = modelFromBytes(applyEdits(model, [insertNode(f, cast, f.nodes[0])]));
  assert.deepEqual(
    result.record.functions[0]?.nodes.map(({ opType }) => opType),
    ['Cast', 'Relu'],
  );
});

test('an input is rewired, appended behind the last one, and appended where there was none', () => {
  for (const [n, index, inputs] of [
    [0, 1, ['x', 'new']],
    [0, 0, ['new', 'w']],
    [0, 2, ['x', 'w', 'new']],
    [0, 4, ['x', 'w', '', '', 'new']],
    [1, 0, ['new']],
    [1, 1, ['', 'new']],
  ] as const) {
    check(
      SPEC,
      (m) => [rewireInput(node(m, n), index, 'new')],
      ({ graph }) => Object.assign(graph?.node?.[n] ?? {}, { input: [...inputs] }),
    );
  }
});

test('an output of a node is renamed; the outputs of a graph are set', () => {
  check(
    SPEC,
    (m) => [renameOutput(node(m, 0), 0, 'new')],
    ({ graph }) => Object.assign(graph?.node?.[0] ?? {}, { output: ['new'] }),
  );
  const tensorType = { elemType: 1, shape: { dim: [{ dimParam: 'N' }, { dimValue: 5 }] } };
  const output = onnxProto.onnx.ValueInfoProto;
  const outputs = [output.fromObject({ name: 't', type: { tensorType } }), output.fromObject({ name: 'u' })];
  check(
    SPEC,
    (m) =>
      setOutputs(m.record.graph, [
        { name: 't', dataType: 1, dims: ['N', 5] },
        { name: 'u', dataType: 0 },
      ]),
    ({ graph }) => Object.assign(graph ?? {}, { output: outputs.map((o) => output.decode(output.encode(o).finish())) }),
  );
});

test('initializers are appended and removed, up to IR 3 with their graph input', () => {
  const tensor = { name: 'new', dataType: 1, dims: [2], bytes: NEW };
  const { TensorProto, ValueInfoProto } = onnxProto.onnx;
  const added = TensorProto.decode(TensorProto.encode({ name: 'new', dataType: 1, dims: [2], rawData: NEW }).finish());
  const tensorType = { elemType: 1, shape: { dim: [{ dimValue: 2 }] } };
  const input = ValueInfoProto.decode(ValueInfoProto.encode({ name: 'new', type: { tensorType } }).finish());
  for (const ir of [3, 4, 13]) {
    check(
      { ...SPEC, ir },
      (m) => appendInitializer(m, m.record.graph, tensor),
      ({ graph }) => {
        graph?.initializer?.push(added);
        if (ir === 3) graph?.input?.push(input);
      },
    );
  }
  const listed: ModelSpec = {
    ir: 3,
    graph: {
      ...SPEC.graph,
      inputs: [
        { name: 'x', type: 1 },
        { name: 'w', type: 1, dims: [2] },
      ],
    },
  };
  check(
    listed,
    (m) => removeInitializer(m.record.graph, initializer(m, 0)),
    ({ graph }) => {
      graph?.initializer?.splice(0, 1);
      graph?.input?.splice(1, 1);
    },
  );
  check(
    listed,
    (m) => replaceGraphInput(m.record.graph, 'w', { name: 'new', dataType: 1, dims: [2] }),
    ({ graph }) => void graph?.input?.splice(1, 1, input),
  );
  check(
    SPEC,
    (m) => replaceGraphInput(m.record.graph, 'w', { name: 'new', dataType: 1, dims: [2] }),
    () => {},
  );
});

test('metadata is appended; a key that is there is refused', () => {
  const spec = { ...SPEC, metadata: { a: '1' } };
  check(
    spec,
    (m) => [appendMetadata(m, { key: 'b', value: 'ü "2"' })],
    ({ metadataProps }) =>
      metadataProps?.push(onnxProto.onnx.StringStringEntryProto.create({ key: 'b', value: 'ü "2"' })),
  );
  assertFails(() => appendMetadata(modelFromBytes(modelProto(spec)), { key: 'a', value: '' }), 'OUTPUT_EXISTS');
});

test("a Constant's floats are replaced in the attribute: a single one, a packed list, single values", () => {
  const constant = (
    attribute: Parameters<typeof attributes.g>[1] extends never ? never : ReturnType<typeof attributes.f>,
  ): ModelSpec => ({
    graph: { nodes: [{ op: 'Constant', outputs: ['c'], attributes: [attribute] }] },
  });
  const tensorOf = (m: Model, key: 'scalar' | 'floats') => node(m, 0).attributes[0]?.[key] as TensorRecord;
  const changed = (change: object) => (decoded: Decoded) =>
    void Object.assign(decoded.graph?.node?.[0]?.attribute?.[0] ?? {}, change);
  check(
    constant(attributes.f('value_float', 1)),
    (m) => replaceInline(tensorOf(m, 'scalar'), float32(7)),
    changed({ f: 7 }),
  );
  check(
    constant(attributes.floats('value_floats', 1, 2)),
    (m) => replaceInline(tensorOf(m, 'floats'), NEW),
    changed({ floats: [7, 8] }),
  );
  const single = { name: 'value_floats', type: 6, fields: [float(7, 1), float(7, 2)] };
  check(constant(single), (m) => replaceInline(tensorOf(m, 'floats'), NEW), changed({ floats: [7, 8] }));
  const mixed = { name: 'value_floats', type: 6, fields: [float(7, 1), message(13, 'doc'), message(7, float32(2))] };
  check(constant(mixed), (m) => replaceInline(tensorOf(m, 'floats'), NEW), changed({ floats: [7, 8] }));
});

test('edits of adjacent tensors, nodes and their graph at once equal the same changes one by one', () => {
  const spec: ModelSpec = { ...SPEC, graph: { ...SPEC.graph, fields: [] } };
  const edits: ((m: Model) => readonly Edit[])[] = [
    (m) => replaceInline(initializer(m, 1), float32(7, 8, 9)),
    (m) => setTensorName(initializer(m, 0), 'a name that is much longer than before'.repeat(5)),
    (m) => [rewireInput(node(m, 0), 1, 'v')],
    (m) => [renameOutput(node(m, 2), 0, 'z')],
    (m) => [insertNode(m.record.graph, { opType: 'Relu', inputs: ['x'], outputs: ['r'] })],
    (m) => [appendMetadata(m, { key: 'k', value: 'v' })],
  ];
  const model = modelFromBytes(modelProto(spec));
  const together = applyEdits(
    model,
    edits.flatMap((edit) => edit(model)),
  );
  const apart = edits.reduce<Uint8Array>((bytes, edit) => {
    const step = modelFromBytes(bytes);
    return applyEdits(step, edit(step));
  }, modelProto(spec));
  assert.deepEqual(ModelProto.toObject(ModelProto.decode(together)), ModelProto.toObject(ModelProto.decode(apart)));
});

const FUTURE: ModelSpec = {
  ...SPEC,
  metadata: { a: 'b' },
  graph: {
    ...SPEC.graph,
    sparse: [
      {
        values: { name: 's', dims: [1], values: [1] },
        indices: { dims: [1], type: 7, raw: Buffer.alloc(8) },
        dims: [4],
      },
    ],
    nodes: [
      ...(SPEC.graph.nodes ?? []),
      {
        op: 'If',
        inputs: ['x'],
        outputs: ['z'],
        attributes: [attributes.g('then_branch', { initializers: [{ name: 'i', dims: [2], values: [5, 6] }] })],
      },
      {
        op: 'Constant',
        outputs: ['c'],
        attributes: [attributes.t('value', { dims: [1], type: 11, fields: [double(10, 1)] })],
      },
    ],
  },
  functions: [
    { name: 'f', domain: 'my', inputs: ['a'], outputs: ['b'], nodes: [{ op: 'Relu', inputs: ['a'], outputs: ['b'] }] },
  ],
};

/** The unknown fields of a file in order, and the file without them: ours have serial numbers, so that a loss shows. */
function futures(bytes: Uint8Array): string[] {
  return [
    ...Buffer.from(bytes)
      .toString('latin1')
      .matchAll(/future \d+/g),
  ].map(([text]) => text);
}

test('fields from the future survive every edit, in every kind of message, in their order', () => {
  const bytes = futureModelProto(FUTURE);
  const all = futures(bytes);
  assert.ok(all.length > 100);
  const edits: ((m: Model) => readonly Edit[])[] = [
    () => [],
    (m) => replaceInline(initializer(m, 0), NEW),
    (m) => replaceInline(initializer(m, 1), float32(7, 8, 9)),
    (m) => setDataType(initializer(m, 0), 6),
    (m) => setTensorName(initializer(m, 0), 'other'),
    (m) => setExternalData(initializer(m, 0), 'd', 0),
    (m) => [rewireInput(node(m, 0), 1, 'other')],
    (m) => [renameOutput(node(m, 0), 0, 'other')],
    (m) => [insertNode(m.record.graph, { opType: 'Relu', inputs: ['x'], outputs: ['r'] }, node(m, 0))],
    (m) => appendInitializer(m, m.record.graph, { name: 'n', dataType: 1, dims: [2], bytes: NEW }),
    (m) => [appendMetadata(m, { key: 'k', value: 'v' })],
  ];
  for (const [i, edit] of edits.entries()) {
    const model = modelFromBytes(bytes);
    const result = applyEdits(model, edit(model));
    assert.deepEqual(futures(result), all, `edit ${i}`);
    assert.equal(modelFromBytes(result).record.functions.length, 1, `edit ${i}`);
  }
  const model = modelFromBytes(bytes);
  assert.ok(applyEdits(model, []).equals(bytes));
});

test('onnx-proto, which drops those fields, reads the same model with and without them', () => {
  const [plain, future] = [ModelProto.decode(modelProto(FUTURE)), ModelProto.decode(futureModelProto(FUTURE))];
  assert.deepEqual(ModelProto.toObject(future), ModelProto.toObject(plain));
});

test('what onnx-proto decodes from an edited payload are the new values', () => {
  const tensors: TensorSpec[] = [
    { name: 'w', dims: [2], values: [1, 2] },
    { name: 'w', dims: [2], fields: [float(4, 1), float(4, 2)] },
  ];
  for (const spec of tensors) {
    const model = modelFromBytes(modelProto({ graph: { initializers: [spec] } }));
    const edited = modelFromBytes(
      applyEdits(model, replaceInline(initializer(model, 0), { slot: 0, length: 8 }), () => NEW),
    );
    const values = Buffer.alloc(8);
    openPayload(edited, initializer(edited, 0)).read(values);
    assert.deepEqual(new Uint8Array(values), NEW);
  }
});
