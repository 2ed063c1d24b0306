import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { type ByteSource, compareUtf8, openFile, readBytes, sha256OfFile } from '../../core/index.ts';
import type { Model } from './model.ts';
import { openModel } from './open-model.ts';

/** Of a file as it lies on disk, of a model in memory by its bytes. */
async function hashOf(source: ByteSource): Promise<string> {
  if ('fd' in source) return sha256OfFile(source.path);
  return createHash('sha256')
    .update(readBytes(source, 0, source.size))
    .digest('hex');
}

/** SHA-256 (hex) of a model's files, each by itself; `data` in order of first use, absent without external data. */
export async function modelHashes(
  model: Model,
): Promise<{ file: string; sha256: string; data?: { location: string; sha256: string }[] }> {
  const data = await Promise.all(
    model.externalLocations.map(async (location) => ({
      location,
      sha256: await hashOf(model.external(location)),
    })),
  );
  return { file: basename(model.path), sha256: await hashOf(model.source), ...(data.length > 0 ? { data } : {}) };
}

/**
 * `model_sha256` of every record: one hash for all that a model computes with. That of the .onnx file alone says nothing
 * of weights that lie beside it, so for a model with external data it is the SHA-256 of this text: the hash of the .onnx
 * file, and for each data file, in the order of their locations (UTF-8 bytes), its hash, two spaces and its location as
 * the model gives it; each line ends in \n. In a shell, in the folder of m.onnx and its m.onnx.data:
 *
 *     { sha256sum < m.onnx | cut -c1-64; sha256sum m.onnx.data; } | sha256sum
 *
 * @returns lower-case hex; without external data the hash of the file itself
 */
export function combinedSha256(sha256: string, data: readonly { location: string; sha256: string }[]): string {
  if (data.length === 0) return sha256;
  const lines = data
    .toSorted((a, b) => compareUtf8(a.location, b.location))
    .map((file) => `${file.sha256}  ${file.location}\n`);
  return createHash('sha256')
    .update(`${sha256}\n${lines.join('')}`)
    .digest('hex');
}

/** {@link combinedSha256} of a model. @throws TemperError INPUT_NOT_FOUND, INPUT_UNREADABLE, FORMAT_EXTERNAL_DATA */
export async function modelSha256(model: Model): Promise<string> {
  const { sha256, data = [] } = await modelHashes(model);
  return combinedSha256(sha256, data);
}

const ORT_FORMAT = 'ORTM';

/** onnxruntime's own format begins with an offset and this; it has no external data, and is no ONNX to walk. */
export function isOrtFormat(path: string): boolean {
  const file = openFile(path);
  try {
    return file.size >= 8 && Buffer.from(readBytes(file, 4, 4)).toString('latin1') === ORT_FORMAT;
  } finally {
    file.close();
  }
}

/** {@link modelSha256} of a file. @throws TemperError INPUT_*, FORMAT_* */
export async function modelFileSha256(path: string): Promise<string> {
  if (isOrtFormat(path)) return sha256OfFile(path);
  const model = openModel(path);
  try {
    return await modelSha256(model);
  } finally {
    model.close();
  }
}
