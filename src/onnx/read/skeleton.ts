import { type ByteSource, readBytes } from '../../core/index.ts';
import type { Model } from './model.ts';
import { tensorsOfModel } from './scopes.ts';
import type { Span } from './wire.ts';

/** Structure beyond this is walked anew rather than held: real files have some 100 KB. */
const MAX_SKELETON_BYTES = 8 << 20;

/** All of a file but its raw payloads: everything that a walk reads. */
interface Skeleton {
  readonly size: number;
  readonly parts: readonly { readonly start: number; readonly bytes: Buffer }[];
}

const skeletons = new WeakMap<Model, Skeleton | undefined>();

function skeletonOf(model: Model): Skeleton | undefined {
  if (skeletons.has(model)) return skeletons.get(model);
  const { source, record } = model;
  const payloads: Span[] = [];
  for (const { payload } of tensorsOfModel(record)) if (payload.kind === 'raw') payloads.push(payload);
  payloads.sort((a, b) => a.start - b.start);
  const total = source.size - payloads.reduce((sum, { start, end }) => sum + end - start, 0);
  let skeleton: Skeleton | undefined;
  if (total <= MAX_SKELETON_BYTES) {
    const ends = [0, ...payloads.map(({ end }) => end)];
    const starts = [...payloads.map(({ start }) => start), source.size];
    const parts = ends.map((start, i) => {
      const bytes = readBytes(source, start, (starts[i] as number) - start);
      return { start, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) };
    });
    skeleton = { size: source.size, parts };
  }
  skeletons.set(model, skeleton);
  return skeleton;
}

/** Reads what other files are compared with, so that `openModel` can do so after the model is closed. */
export function keepSkeleton(model: Model): void {
  skeletonOf(model);
}

/**
 * Whether a file equals a walked one in every byte but those of raw payloads, which a walk skips unread: then a walk
 * would record the same. Snapshots of one run mostly do, and comparing them takes a tenth of the time of walking them.
 */
export function sameSkeleton(model: Model, source: ByteSource): boolean {
  if (source.size !== model.source.size) return false;
  const skeleton = skeletonOf(model);
  if (!skeleton) return false;
  const longest = skeleton.parts.reduce((most, { bytes }) => Math.max(most, bytes.length), 0);
  const buffer = Buffer.allocUnsafe(longest);
  return skeleton.parts.every(({ start, bytes }) => {
    const there = buffer.subarray(0, bytes.length);
    source.readInto(there, start);
    return bytes.equals(there);
  });
}
