import { type ByteSource, readBytes, sameState } from '../../core/index.ts';
import type { Model, ModelRecord } from './model.ts';
import { tensorsOfModel } from './scopes.ts';
import type { Span } from './wire.ts';

/** Structure beyond this is walked anew rather than held: real files have some 100 KB. */
const MAX_SKELETON_BYTES = 8 << 20;

/** All of a file but its raw payloads: everything that a walk reads. */
type Skeleton = readonly Stretch[];

/** Read at once. */
interface Stretch extends Span {
  readonly parts: readonly Part[];
}

interface Part {
  readonly start: number;
  readonly bytes: Buffer;
}

/** Payloads up to this are read over: a read of its own costs as much as copying 32 KiB. */
const MAX_GAP_BYTES = 16 << 10;
const MAX_STRETCH_BYTES = 256 << 10;

function stretchesOf(parts: readonly Part[]): Stretch[] {
  const stretches: { start: number; end: number; parts: Part[] }[] = [];
  for (const part of parts) {
    const last = stretches.at(-1);
    const end = part.start + part.bytes.length;
    if (last && part.start - last.end <= MAX_GAP_BYTES && end - last.start <= MAX_STRETCH_BYTES) {
      last.parts.push(part);
      last.end = end;
    } else stretches.push({ start: part.start, end, parts: [part] });
  }
  return stretches;
}

/** By record: files that share one are alike in all of this, so that whoever is asked for it need not be open any more. */
const skeletons = new WeakMap<ModelRecord, Skeleton | undefined>();

function skeletonOf(model: Model): Skeleton | undefined {
  if (!skeletons.has(model.record)) skeletons.set(model.record, readSkeleton(model));
  return skeletons.get(model.record);
}

function readSkeleton({ source, record }: Model): Skeleton | undefined {
  const payloads: Span[] = [];
  for (const { payload } of tensorsOfModel(record)) if (payload.kind === 'raw') payloads.push(payload);
  payloads.sort((a, b) => a.start - b.start);
  const total = source.size - payloads.reduce((sum, { start, end }) => sum + end - start, 0);
  if (total > MAX_SKELETON_BYTES) return undefined;
  const ends = [0, ...payloads.map(({ end }) => end)];
  const starts = [...payloads.map(({ start }) => start), source.size];
  const parts = ends.map((start, i) => {
    const bytes = readBytes(source, start, (starts[i] as number) - start);
    return { start, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) };
  });
  return stretchesOf(parts);
}

/** Reads what other files are compared with, so that `openModel` can do so after the model is closed. */
export function keepSkeleton(model: Model): void {
  skeletonOf(model);
}

/**
 * Whether a file is the walked one, unchanged, or equals it in every byte but those of raw payloads, which a walk skips unread: then a walk
 * would record the same. Snapshots of one run mostly do, and comparing them takes a tenth of the time of walking them.
 */
export function sameSkeleton(model: Model, source: ByteSource): boolean {
  if (sameState(model.source, source)) return true;
  if (source.size !== model.source.size) return false;
  const skeleton = skeletonOf(model);
  if (!skeleton) return false;
  const buffer = Buffer.allocUnsafe(skeleton.reduce((most, { start, end }) => Math.max(most, end - start), 0));
  return skeleton.every(({ start, end, parts }) => {
    const there = buffer.subarray(0, end - start);
    source.readInto(there, start);
    return parts.every(({ start: at, bytes }) => bytes.equals(there.subarray(at - start, at - start + bytes.length)));
  });
}
