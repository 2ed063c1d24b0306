import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Of the ELF format, 64 bits, little endian (System V ABI, "Dynamic Section"). */
const MAGIC = 0x46_4c_45_7f;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const DT = { needed: 1, strings: 5, stringsSize: 10, rpath: 15, runpath: 29 } as const;
/** No library has more; a file that says so is none. */
const MOST_HEADERS = 512;
const MOST_BYTES = 4 * 2 ** 20;
const SYSTEM_FOLDERS = [
  ...['/lib/x86_64-linux-gnu', '/usr/lib/x86_64-linux-gnu', '/lib64', '/usr/lib64', '/lib', '/usr/lib'],
  '/usr/lib/wsl/lib',
];

interface Dynamic {
  /** Names of the libraries that it is loaded with. */
  readonly needed: readonly string[];
  /** Folders that it says itself, `$ORIGIN` replaced. */
  readonly folders: readonly string[];
}

/** What a shared library needs; undefined for a file that is no ELF library of 64 bits. */
export function dynamicOf(path: string): Dynamic | undefined {
  const file = openSync(path, 'r');
  try {
    const read = (at: number, length: number): Buffer | undefined => {
      if (!Number.isSafeInteger(at) || length > MOST_BYTES || at + length > fstatSync(file).size) return undefined;
      const bytes = Buffer.alloc(length);
      return readSync(file, bytes, 0, length, at) === length ? bytes : undefined;
    };
    const header = read(0, 64);
    if (header?.readUInt32LE(0) !== MAGIC || header[4] !== 2 || header[5] !== 1) return undefined;
    const count = header.readUInt16LE(56);
    const table = count > MOST_HEADERS ? undefined : read(Number(header.readBigUInt64LE(32)), 56 * count);
    if (!table) return undefined;
    const segments = Array.from({ length: count }, (_, i) => ({
      type: table.readUInt32LE(56 * i),
      offset: Number(table.readBigUInt64LE(56 * i + 8)),
      address: Number(table.readBigUInt64LE(56 * i + 16)),
      size: Number(table.readBigUInt64LE(56 * i + 32)),
    }));
    const at = segments.find(({ type }) => type === PT_DYNAMIC);
    const entries = at && read(at.offset, at.size - (at.size % 16));
    if (!entries) return undefined;
    const found = Array.from({ length: entries.length / 16 }, (_, i) => ({
      tag: Number(entries.readBigInt64LE(16 * i)),
      value: Number(entries.readBigUInt64LE(16 * i + 8)),
    }));
    const entryOf = (tag: number): number => found.find((one) => one.tag === tag)?.value ?? 0;
    const address = entryOf(DT.strings);
    const home = segments.find(
      (one) => one.type === PT_LOAD && one.address <= address && address < one.address + one.size,
    );
    const strings = home && read(home.offset + address - home.address, entryOf(DT.stringsSize));
    if (!strings) return undefined;
    const textsOf = (...tags: readonly number[]): string[] =>
      found
        .filter(({ tag, value }) => tags.includes(tag) && value < strings.length)
        .map(({ value }) => strings.toString('latin1', value, Math.max(value, strings.indexOf(0, value))));
    return {
      needed: textsOf(DT.needed),
      folders: textsOf(DT.rpath, DT.runpath).flatMap((all) =>
        all.split(':').map((one) => one.replace(/\$(ORIGIN|\{ORIGIN\})/, dirname(path))),
      ),
    };
  } finally {
    closeSync(file);
  }
}

/** Libraries by name, of the loader's cache: pairs of a name and a path, each ended by 0. */
function cached(): ReadonlyMap<string, string> {
  const path = '/etc/ld.so.cache';
  if (!existsSync(path)) return new Map();
  const paths = readFileSync(path, 'latin1')
    .split('\0')
    .filter((text) => text.startsWith('/'));
  return new Map(paths.map((one) => [one.slice(one.lastIndexOf('/') + 1), one]));
}

/**
 * The libraries that a library needs and the loader will not find, those of what it needs included; sorted. The places are
 * the loader's: LD_LIBRARY_PATH, what the libraries say themselves, its cache, the system's folders.
 * @param more what it loads later, by name, and does not declare
 */
export function missingLibraries(path: string, searched: readonly string[], more: readonly string[] = []): string[] {
  const cache = cached();
  const missing = new Set<string>();
  const seen = new Set<string>();
  const visit = (name: string, folders: readonly string[]): void => {
    if (seen.has(name)) return;
    seen.add(name);
    const places = [...searched, ...folders].map((folder) => join(folder, name));
    const found = [...places, cache.get(name) ?? '', ...SYSTEM_FOLDERS.map((folder) => join(folder, name))].find(
      (one) => one !== '' && existsSync(one),
    );
    if (found === undefined) missing.add(name);
    else for (const next of dynamicOf(found)?.needed ?? []) visit(next, dynamicOf(found)?.folders ?? []);
  };
  const own = dynamicOf(path);
  for (const name of [...(own?.needed ?? []), ...more]) visit(name, own?.folders ?? []);
  return [...missing].sort();
}
