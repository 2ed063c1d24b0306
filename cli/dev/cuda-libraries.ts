import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { TemperError } from '../../src/core/index.ts';

/** What the CUDA provider is made of; TensorRT's, which nothing here uses, is left where it is. */
export const PROVIDER_FILES = ['libonnxruntime_providers_cuda.so', 'libonnxruntime_providers_shared.so'] as const;
const [PROVIDER] = PROVIDER_FILES;

/** Folders below the one that is named in which packages keep native libraries; deeper trees are not searched. */
const DEPTH = 6;
const BLOCK = 1 << 20;
/** ends of a block that are read again with the next: longer than any version with its zeros. */
const OVERLAP = 16;

/** Paths of the provider's files in a folder, and in the folders below. @throws TemperError INPUT_NOT_FOUND */
export function findProvider(folder: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const visit = (at: string, depth: number): void => {
    for (const entry of readdirSync(at, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) {
        if (depth < DEPTH && entry.name !== 'node_modules') visit(path, depth + 1);
      } else if (
        (PROVIDER_FILES as readonly string[]).includes(entry.name) &&
        !found.has(entry.name) &&
        statSync(path).isFile()
      ) {
        found.set(entry.name, path);
      }
    }
  };
  visit(folder, 0);
  const missing = PROVIDER_FILES.filter((name) => !found.has(name));
  if (missing.length === 0) return found;
  throw new TemperError('INPUT_NOT_FOUND', `${folder}: has no ${missing.join(', no ')}`, {
    hint: 'Name a folder or an npm package with onnxruntime libraries for CUDA on Linux x64.',
  });
}

/** The version that a library of onnxruntime was built as: the one text in it that is a version and nothing else. */
export function builtVersion(path: string): string | undefined {
  const file = openSync(path, 'r');
  try {
    const block = Buffer.alloc(BLOCK + OVERLAP);
    const found = new Set<string>();
    for (let at = 0; ; at += BLOCK) {
      const length = readSync(file, block, 0, block.length, at);
      if (length === 0) break;
      for (const [, version] of block.toString('latin1', 0, length).matchAll(/\0(\d{1,2}\.\d{1,3}\.\d{1,3})\0/g)) {
        if (version !== undefined) found.add(version);
      }
      if (length < block.length) break;
    }
    return found.size === 1 ? [...found][0] : undefined;
  } finally {
    closeSync(file);
  }
}

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Puts a file into a folder under its name, whole or not at all. @returns whether anything changed */
function publish(from: string, folder: string): boolean {
  const to = join(folder, basename(from));
  if (existsSync(to) && statSync(to).size === statSync(from).size && sha256(to) === sha256(from)) return false;
  const temporary = join(folder, `.${basename(from)}.${process.pid}.tmp`);
  try {
    copyFileSync(from, temporary);
    const file = openSync(temporary, 'r+');
    fsyncSync(file);
    closeSync(file);
    renameSync(temporary, to);
  } finally {
    rmSync(temporary, { force: true });
  }
  return true;
}

/** An npm package as a file (.tgz), unpacked for as long as `use` takes; a folder is used as it is. */
function unpacked<T>(from: string, use: (folder: string) => T): T {
  if (!existsSync(from)) {
    throw new TemperError('INPUT_NOT_FOUND', `${from}: no such file or folder`, {
      hint: 'Check the path after --from.',
    });
  }
  if (statSync(from).isDirectory()) return use(from);
  if (!statSync(from).isFile() || !/\.(tgz|tar\.gz)$/.test(from)) {
    throw new TemperError('USAGE', `${from}: is neither a folder nor an npm package (.tgz)`, {
      hint: 'Unpack it, and name the folder.',
    });
  }
  const folder = mkdtempSync(join(tmpdir(), 'onnx-temper-cuda-'));
  try {
    // tar's own protection: nothing is written outside the folder.
    const { status, stderr } = spawnSync('tar', ['-xzf', from, '-C', folder], { encoding: 'utf8' });
    if (status !== 0) {
      throw new TemperError('FORMAT_MALFORMED', `${from}: cannot be unpacked: ${stderr.trim().slice(0, 200)}`, {
        hint: 'Pack it again with npm pack.',
      });
    }
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Takes the CUDA provider from a folder or an npm package. Nothing is written unless all files are there and of the
 * binding's version; a file that is there already, to the byte, is left alone.
 * @param from a folder, or an npm package as .tgz
 * @param to where onnxruntime-node has its native libraries
 * @param version onnxruntime-node's
 * @returns the names of the files that were written
 * @throws TemperError INPUT_NOT_FOUND, USAGE, FORMAT_MALFORMED, MISMATCH_VALUE
 */
export function takeLibraries(from: string, to: string, version: string): string[] {
  return unpacked(from, (folder) => {
    const files = findProvider(folder);
    const built = builtVersion(files.get(PROVIDER) as string);
    if (built !== version) {
      const said = built === undefined ? 'does not say which onnxruntime it belongs to' : `is of onnxruntime ${built}`;
      throw new TemperError('MISMATCH_VALUE', `${from}: ${PROVIDER} ${said}, onnxruntime-node is ${version}`, {
        hint: `Take libraries of onnxruntime ${version}: another version's crash or compute nonsense.`,
        details: { found: built, expected: version },
      });
    }
    // The provider last: with it alone in place CUDA would be taken for installed.
    return [...PROVIDER_FILES].reverse().filter((name) => publish(files.get(name) as string, to));
  });
}
