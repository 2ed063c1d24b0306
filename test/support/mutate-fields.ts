import protobuf from 'protobufjs/minimal.js';
import { longVarint, tag, varint } from './wire-fields.ts';

/** Which fields of onnx.proto's messages are messages. */
const SCHEMA: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  model: { 7: 'graph', 8: 'leaf', 14: 'leaf', 20: 'training', 25: 'function' },
  graph: { 1: 'node', 5: 'tensor', 11: 'value', 12: 'value', 13: 'value', 15: 'sparse' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  tensor: { 13: 'leaf' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  value: { 2: 'type' },
  type: { 1: 'tensorType' },
  tensorType: { 2: 'shape' },
  shape: { 1: 'leaf' },
  function: { 7: 'node', 11: 'attribute' },
  training: { 1: 'graph', 2: 'graph' },
  leaf: {},
};

interface Node {
  number: number;
  wire: number;
  /** The value of a scalar, or the content of a string; absent for messages. */
  content: Uint8Array | undefined;
  readonly fields: Node[];
  readonly kind: string;
}

function parse(bytes: Uint8Array, kind: string): Node[] {
  const reader = protobuf.Reader.create(bytes);
  const nodes: Node[] = [];
  while (reader.pos < reader.len) {
    const head = reader.uint32();
    const [number, wire] = [head >>> 3, head & 7];
    const inner = wire === 2 ? SCHEMA[kind]?.[number] : undefined;
    const start = reader.pos;
    if (wire === 2) {
      const content = reader.bytes();
      nodes.push({
        number,
        wire,
        kind: inner ?? 'leaf',
        content: inner ? undefined : content,
        fields: inner ? parse(content, inner) : [],
      });
    } else {
      reader.skipType(wire);
      nodes.push({ number, wire, kind: 'leaf', content: bytes.subarray(start, reader.pos), fields: [] });
    }
  }
  return nodes;
}

function write(nodes: readonly Node[], pad: number): Buffer {
  return Buffer.concat(
    nodes.flatMap(({ number, wire, content, fields }) => {
      const body = content ?? write(fields, pad);
      return wire === 2
        ? [tag(number, wire), pad ? longVarint(body.length, pad) : varint(body.length), body]
        : [tag(number, wire), body];
    }),
  );
}

type Int = (n: number) => number;

/** A list of fields and the place of one in it. */
interface Place {
  readonly list: Node[];
  readonly at: number;
}

function places(nodes: Node[]): Place[] {
  return nodes.flatMap((node, at) => [{ list: nodes, at }, ...places(node.fields)]);
}

const NUMBERS = [0, 1, 2, 7, 10, 16, 127, 2 ** 31, 2 ** 32 + 5, -1, 2 ** 53].map(varint);
const TEXTS = [
  '',
  '..',
  '/etc/passwd',
  '\u001b[31m',
  'raw',
  'x',
  'constructor',
  '__proto__',
  'n'.repeat(70000),
  '-1',
  '1e9',
];

type Mutation = (place: Place, others: readonly Place[], int: Int) => void;
const nodeAt = ({ list, at }: Place): Node => list[at] as Node;
const pick = (others: readonly Place[], int: Int): Place => others[int(others.length)] as Place;

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  deleted: ({ list, at }) => void list.splice(at, 1),
  doubled: ({ list, at }) => void list.splice(at, 0, list[at] as Node),
  'moved to the end': ({ list, at }) => void list.push(...list.splice(at, 1)),
  'swapped with a sibling': ({ list, at }, _, int) => {
    const other = int(list.length);
    [list[at], list[other]] = [list[other] as Node, list[at] as Node];
  },
  'swapped with any field of its number': (place, others, int) => {
    const like = others.filter(
      (other) => nodeAt(other)?.number === nodeAt(place).number && nodeAt(other)?.kind === nodeAt(place).kind,
    );
    const other = pick(like, int);
    const [a, b] = [nodeAt(place), nodeAt(other)];
    place.list[place.at] = b;
    other.list[other.at] = a;
  },
  'copied to another message': (place, others, int) => {
    const { list } = pick(others, int);
    if (list.length < 50) list.splice(int(list.length), 0, structuredClone(nodeAt(place)));
  },
  'another value': (place, _, int) => {
    const node = nodeAt(place);
    if (node.wire === 0) node.content = NUMBERS[int(NUMBERS.length)];
    else if (node.content && node.wire === 2) node.content = Buffer.from(TEXTS[int(TEXTS.length)] as string);
    else if (node.content) node.content = Buffer.from(node.content).map(() => int(256));
  },
  "another field's value": (place, others, int) => {
    const like = others.filter((other) => nodeAt(other)?.wire === nodeAt(place).wire && nodeAt(other)?.content);
    if (nodeAt(place).content && like.length > 0) nodeAt(place).content = nodeAt(pick(like, int)).content;
  },
  'a bit of its value': (place, _, int) => {
    const node = nodeAt(place);
    if (!node.content || node.content.length === 0 || node.wire === 0) return;
    node.content = Buffer.from(node.content);
    const at = int(node.content.length);
    node.content[at] = (node.content[at] as number) ^ (1 << int(8));
  },
  'cut or grown': (place, _, int) => {
    const node = nodeAt(place);
    if (node.content && node.wire === 2)
      node.content = int(2)
        ? node.content.subarray(0, int(node.content.length + 1))
        : Buffer.concat([node.content, Buffer.alloc(1 + int(8))]);
  },
  'another number': (place, _, int) => {
    nodeAt(place).number = 1 + int(30);
  },
};
const NAMES = Object.keys(MUTATIONS);

/** One or two mutations of whole fields, with lengths that fit again: what gets past the walk. */
export function mutateFields(bytes: Uint8Array, int: Int): { bytes: Buffer; what: string } {
  const tree = parse(bytes, 'model');
  const what: string[] = [];
  for (let i = 1 + int(2); i > 0; i--) {
    const all = places(tree);
    const place = pick(all, int);
    const name = NAMES[int(NAMES.length)] as string;
    const { kind, number } = nodeAt(place);
    (MUTATIONS[name] as Mutation)(place, all, int);
    what.push(`${kind} field ${number} ${name}`);
  }
  return { bytes: write(tree, int(20) === 0 ? 1 + int(3) + 5 : 0), what: what.join(', ') };
}
