/** A shared library of 64 bits with nothing but the names of what it needs: written by the ELF format, for no loader. */
export function elfLibrary(needed: readonly string[], runpath?: string, text = ''): Buffer {
  const strings = ['', ...needed, ...(runpath === undefined ? [] : [runpath])];
  const table = Buffer.from(`${strings.join('\0')}\0`, 'latin1');
  const offsetOf = (i: number): number => strings.slice(0, i).reduce((sum, one) => sum + one.length + 1, 0);
  const entries: [number, number][] = [
    ...needed.map((_, i): [number, number] => [1, offsetOf(i + 1)]),
    ...(runpath === undefined ? [] : [[29, offsetOf(needed.length + 1)] as [number, number]]),
  ];
  const [headers, base] = [64, 0x1000];
  const dynamicAt = headers + 2 * 56;
  const size = 16 * (entries.length + 3);
  const stringsAt = dynamicAt + size;
  entries.push([5, base + stringsAt], [10, table.length], [0, 0]);
  const file = Buffer.alloc(stringsAt + table.length);
  file.writeUInt32LE(0x464c457f, 0);
  file.set([2, 1, 1], 4);
  file.writeUInt16LE(3, 16);
  file.writeUInt16LE(62, 18);
  file.writeBigUInt64LE(BigInt(headers), 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(2, 56);
  const segment = (i: number, type: number, at: number, length: number): void => {
    const start = headers + 56 * i;
    file.writeUInt32LE(type, start);
    file.writeBigUInt64LE(BigInt(at), start + 8);
    file.writeBigUInt64LE(BigInt(base + at), start + 16);
    file.writeBigUInt64LE(BigInt(length), start + 32);
    file.writeBigUInt64LE(BigInt(length), start + 40);
  };
  segment(0, 1, 0, file.length);
  segment(1, 2, dynamicAt, size);
  for (const [i, [tag, value]] of entries.entries()) {
    file.writeBigInt64LE(BigInt(tag), dynamicAt + 16 * i);
    file.writeBigUInt64LE(BigInt(value), dynamicAt + 16 * i + 8);
  }
  table.copy(file, stringsAt);
  return Buffer.concat([file, Buffer.from(text, 'latin1')]);
}
