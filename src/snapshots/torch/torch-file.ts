import { type ByteSource, type FileSource, readBytes, TemperError } from '../../core/index.ts';
import { pickleSource } from '../pickle/pickle-source.ts';
import { readPickle } from '../pickle/read-pickle.ts';
import { readLegacy } from './legacy.ts';
import type { TorchFile } from './torch-content.ts';
import { TORCH_NAMES } from './torch-names.ts';
import { openZip, type ZipArchive } from './zip.ts';

/** The pickle of a checkpoint describes tensors and holds none. */
const MAX_PICKLE_BYTES = 512 << 20;

/** The folder in the archive, with its slash: torch.save calls it as the file was called. */
function folderOf(zip: ZipArchive, path: string): string {
  const pickles = [...zip.names].filter((name) => /^(?:[^/]*\/)?data\.pkl$/.test(name));
  const [name] = pickles;
  if (name === undefined || pickles.length > 1) {
    throw new TemperError('FORMAT_MALFORMED', `${path}: a zip with ${pickles.length} data.pkl; a checkpoint has one`, {
      hint: 'Name a file that torch.save wrote.',
      details: { path },
    });
  }
  const folder = name.slice(0, -'data.pkl'.length);
  if (zip.has(`${folder}constants.pkl`)) {
    throw new TemperError('UNSUPPORTED_FORMAT', `${path}: is a TorchScript program, expected a checkpoint`, {
      hint: 'Save its weights: torch.save(torch.jit.load(FILE).state_dict(), …).',
      details: { path },
    });
  }
  return folder;
}

/** torch writes `little` or `big` since 2.1; before, files are little-endian in practice. */
function isBigEndian(source: ByteSource, zip: ZipArchive, name: string): boolean {
  if (!zip.has(name)) return false;
  const { offset, size } = zip.locate(name);
  const text = Buffer.from(readBytes(source, offset, Math.min(size, 16)))
    .toString('latin1')
    .trim();
  if (text !== 'little' && text !== 'big') {
    throw new TemperError(
      'FORMAT_MALFORMED',
      `${source.path}: byte order ${JSON.stringify(text)}, known are little, big`,
      {
        hint: 'Copy the file again, or write it again with torch.save.',
        details: { path: source.path, found: text },
      },
    );
  }
  return text === 'big';
}

/**
 * Reads what a zip of torch.save holds, but for the storages.
 * @throws TemperError FORMAT_*, UNSUPPORTED_FORMAT
 */
function readArchive(source: FileSource): TorchFile {
  const zip = openZip(source);
  const folder = folderOf(zip, source.path);
  const { offset, size } = zip.locate(`${folder}data.pkl`);
  if (size > MAX_PICKLE_BYTES) {
    throw new TemperError(
      'FORMAT_LIMIT',
      `${source.path}: a data.pkl of ${size} bytes, at most ${MAX_PICKLE_BYTES} are read`,
      {
        details: { path: source.path, size },
      },
    );
  }
  return {
    source,
    root: readPickle(pickleSource(source, offset, offset + size), TORCH_NAMES),
    bigEndian: isBigEndian(source, zip, `${folder}byteorder`),
    storage: (key) => zip.locate(`${folder}data/${key}`),
  };
}

/**
 * Reads a file of torch.save, in its present form (a zip) or the old one. Nothing in it is executed, no storage is read.
 * @throws TemperError FORMAT_*, UNSUPPORTED_FORMAT, INPUT_UNREADABLE
 */
export function readTorchFile(source: FileSource): TorchFile {
  const head = readBytes(source, 0, Math.min(4, source.size));
  return Buffer.from(head).toString('latin1') === 'PK\x03\x04' ? readArchive(source) : readLegacy(source);
}
