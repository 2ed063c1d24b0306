import { COST, type Machine, push } from './machine.ts';
import type { PickleValue } from './pickle-value.ts';

type Operation = (machine: Machine) => void;

/** Longer ones are skipped: arguments in YAML, source code, arrays of other libraries. */
const MAX_TEXT_BYTES = 64 << 10;
/** Python writes an integer of any length; torch's magic number has ten bytes. */
const MAX_INTEGER_BYTES = 1024;

const asInteger = (value: bigint): number | bigint => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};

function twosComplement(machine: Machine, length: number): number | bigint {
  if (length > MAX_INTEGER_BYTES) throw machine.source.limit(`an integer of ${length} bytes`);
  const bytes = machine.source.take(length);
  if (length === 0) return 0;
  const magnitude = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
  return asInteger(BigInt.asIntN(8 * length, magnitude));
}

/** A size in eight bytes. */
function size64({ source }: Machine): number {
  const size = Number(source.take(8).readBigUInt64LE());
  if (!Number.isSafeInteger(size)) throw source.malformed(`a length of ${size} bytes`);
  return size;
}

function pushBytes(machine: Machine, length: number, decode: (bytes: Buffer) => PickleValue): void {
  if (length > MAX_TEXT_BYTES) {
    machine.source.skip(length);
    push(machine, { kind: 'unread', byteLength: length }, COST.container);
    return;
  }
  push(machine, decode(machine.source.take(length)), COST.text + 2 * length);
}

const utf8 = (bytes: Buffer): string => bytes.toString('utf8');
const copied = (bytes: Buffer): Uint8Array => Uint8Array.from(bytes);
/** A str of Python 2, which mostly is a name. */
const oldText = (bytes: Buffer): string => {
  const text = utf8(bytes);
  return text.includes('\ufffd') ? bytes.toString('latin1') : text;
};

const byte = ({ source }: Machine): number => source.u8();
const word = ({ source }: Machine): number => source.take(4).readUInt32LE();

function integerLine(machine: Machine): void {
  const line = machine.source.line();
  if (line === '00' || line === '01') {
    push(machine, line === '01');
    return;
  }
  const digits = /^([+-]?\d{1,2000})L?$/.exec(line.trim())?.[1];
  if (digits === undefined) throw machine.source.malformed('an integer that is none');
  push(machine, asInteger(BigInt(digits)), COST.text + digits.length);
}

/** Numbers, None, True and False; protocol and frames, which change nothing. */
export const NUMBERS: Readonly<Record<string, Operation>> = {
  '\x80'(machine) {
    const protocol = machine.source.u8();
    if (protocol > 5) throw machine.source.malformed(`protocol ${protocol}, known are 0 to 5`);
  },
  '\x95': (machine) => void size64(machine),
  N: (machine) => push(machine, null),
  '\x88': (machine) => push(machine, true),
  '\x89': (machine) => push(machine, false),
  K: (machine) => push(machine, byte(machine)),
  M: (machine) => push(machine, machine.source.take(2).readUInt16LE()),
  J: (machine) => push(machine, machine.source.take(4).readInt32LE()),
  '\x8a'(machine) {
    push(machine, twosComplement(machine, byte(machine)), COST.text);
  },
  '\x8b'(machine) {
    const length = machine.source.take(4).readInt32LE();
    if (length < 0) throw machine.source.malformed('an integer of negative length');
    push(machine, twosComplement(machine, length), COST.text + length);
  },
  I: integerLine,
  L: integerLine,
  F(machine) {
    const line = machine.source.line();
    // As Python's repr writes floats.
    const value = /^[+-]?(inf|nan)$/i.test(line)
      ? Number(line.toLowerCase().replace('inf', 'Infinity').replace('nan', 'NaN'))
      : Number(line);
    push(machine, value);
  },
  G: (machine) => push(machine, machine.source.take(8).readDoubleBE()),
};

/** Texts and bytes. */
export const TEXTS: Readonly<Record<string, Operation>> = {
  S(machine) {
    const text = machine.source.line();
    push(machine, text.replace(/^(['"])(.*)\1$/s, '$2'), COST.text + 2 * text.length);
  },
  V(machine) {
    const text = machine.source.line();
    const decoded = text.replace(/\\u([0-9a-f]{4})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    push(machine, decoded, COST.text + 2 * text.length);
  },
  T: (machine) => pushBytes(machine, word(machine), oldText),
  U: (machine) => pushBytes(machine, byte(machine), oldText),
  X: (machine) => pushBytes(machine, word(machine), utf8),
  '\x8c': (machine) => pushBytes(machine, byte(machine), utf8),
  '\x8d': (machine) => pushBytes(machine, size64(machine), utf8),
  B: (machine) => pushBytes(machine, word(machine), copied),
  C: (machine) => pushBytes(machine, byte(machine), copied),
  '\x8e': (machine) => pushBytes(machine, size64(machine), copied),
  '\x96': (machine) => pushBytes(machine, size64(machine), copied),
};
