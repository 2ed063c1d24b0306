/** Pickles and zips by hand: what torch.save never writes. */

type Ops = readonly (string | Uint8Array)[];

/** Operations as bytes: texts are Latin-1. */
export const ops = (...parts: Ops): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

export const text = (value: string): Buffer => ops('X', u32(Buffer.byteLength(value)), Buffer.from(value));
export const int = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return ops('\x8a\x08', bytes);
};
export const name = (module: string, what: string): Buffer => ops(`c${module}\n${what}\n`);
export const tuple = (...items: Ops): Buffer => ops('(', ...items, 't');

export interface TensorOps {
  readonly key?: string;
  readonly storage?: string;
  readonly count?: number;
  readonly offset?: number | bigint;
  readonly dims?: readonly (number | bigint)[];
  readonly strides?: readonly (number | bigint)[];
}

/** A tensor as torch.save pickles it. */
export function tensorOps({
  key = '0',
  storage = 'FloatStorage',
  count = 4,
  offset = 0,
  dims = [4],
  strides = [1],
}: TensorOps = {}) {
  const id = tuple(text('storage'), name('torch', storage), text(key), text('cpu'), int(count));
  const view = [
    ops(id, 'Q'),
    int(offset),
    tuple(...dims.map(int)),
    tuple(...strides.map(int)),
    '\x89',
    name('collections', 'OrderedDict'),
    ')R',
  ];
  return ops(name('torch._utils', '_rebuild_tensor_v2'), tuple(...view), 'R');
}

/** A pickle of a dictionary. */
export const dictOps = (...members: readonly (readonly [key: string, value: Uint8Array])[]): Buffer =>
  ops('}(', ...members.flatMap(([key, value]) => [text(key), value]), 'u');
export const pickle = (body: Uint8Array): Buffer => ops('\x80\x02', body, '.');

export interface ZipMember {
  readonly name: string;
  readonly data: Uint8Array;
  readonly method?: number;
  readonly flags?: number;
  /** What the directory says otherwise. */
  readonly claims?: { readonly size?: number; readonly header?: number };
}

function u16s(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length);
  values.forEach((value, i) => void bytes.writeUInt16LE(value, 2 * i));
  return bytes;
}
const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};

/** A zip of stored members; with `zip64` every size and place is in its long form. */
export function zip(members: readonly ZipMember[], { zip64 = false } = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name: file, data, method = 0, flags = 0, claims = {} } of members) {
    const local = ops(
      'PK\x03\x04',
      u16s(20, flags, method, 0, 0),
      u32(0),
      u32(data.length),
      u32(data.length),
      u16s(Buffer.byteLength(file), 0),
      Buffer.from(file),
    );
    const [size, header] = [claims.size ?? data.length, claims.header ?? at];
    const extra = zip64 ? ops(u16s(1, 24), u64(size), u64(size), u64(header)) : Buffer.alloc(0);
    const short = (value: number): Buffer => u32(zip64 ? 0xffffffff : value);
    directory.push(
      ops('PK\x01\x02', u16s(45, 45, flags, method, 0, 0), u32(0), short(size), short(size)),
      ops(u16s(Buffer.byteLength(file), extra.length, 0, 0, 0), u32(0), short(header), Buffer.from(file), extra),
    );
    parts.push(local, Buffer.from(data));
    at += local.length + data.length;
  }
  const central = Buffer.concat(directory);
  const count = members.length;
  const long = ops(
    'PK\x06\x06',
    u64(44),
    u16s(45, 45),
    u32(0),
    u32(0),
    u64(count),
    u64(count),
    u64(central.length),
    u64(at),
  );
  const locator = ops('PK\x06\x07', u32(0), u64(at + central.length), u32(1));
  const end = zip64
    ? ops(long, locator, 'PK\x05\x06', u16s(0, 0, 0xffff, 0xffff), u32(0xffffffff), u32(0xffffffff), u16s(0))
    : ops('PK\x05\x06', u16s(0, 0, count, count), u32(central.length), u32(at), u16s(0));
  return Buffer.concat([...parts, central, end]);
}

/** The members of a zip that torch.save wrote. */
export function unzip(bytes: Buffer): { readonly name: string; readonly data: Buffer }[] {
  const end = bytes.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  let at = bytes.readUInt32LE(end + 16);
  return Array.from({ length: bytes.readUInt16LE(end + 10) }, () => {
    const [size, nameLength, header] = [
      bytes.readUInt32LE(at + 24),
      bytes.readUInt16LE(at + 28),
      bytes.readUInt32LE(at + 42),
    ];
    const file = bytes.toString('utf8', at + 46, at + 46 + nameLength);
    at += 46 + nameLength + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
    const start = header + 30 + nameLength + bytes.readUInt16LE(header + 28);
    return { name: file, data: bytes.subarray(start, start + size) };
  });
}

/** A checkpoint of torch.save's present form. */
export function torchZip(
  root: Uint8Array,
  storages: Readonly<Record<string, Uint8Array>> = {},
  { byteorder = 'little', prefix = 'archive/' } = {},
): Buffer {
  return zip([
    { name: `${prefix}data.pkl`, data: pickle(root) },
    { name: `${prefix}byteorder`, data: Buffer.from(byteorder) },
    { name: `${prefix}version`, data: Buffer.from('3\n') },
    ...Object.entries(storages).map(([key, data]) => ({ name: `${prefix}data/${key}`, data })),
  ]);
}
