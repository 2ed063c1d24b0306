import type { Model } from '../read/model.ts';
import type { Message, Span } from '../read/wire.ts';

/** Bytes that come later, while the file is being written: a tensor's new values. */
export interface Slot {
  readonly slot: number;
  readonly length: number;
}

/** A part of the rewritten file: bytes of the original, new bytes, or a slot. */
export type Segment = { readonly copy: Span } | { readonly bytes: Uint8Array } | Slot;

/** Replaces [start, end), which lies directly in `within`; start = end inserts. */
export interface Edit extends Span {
  readonly within: Message;
  readonly pieces: readonly (Uint8Array | Slot)[];
}

export function encodeVarint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

const lengthOf = (pieces: Edit['pieces']): number => pieces.reduce((sum, piece) => sum + piece.length, 0);

/**
 * The rewritten file as segments in order, with the lengths of all enclosing messages recomputed. What no edit touches
 * stays identical to the byte; a length that does not change keeps its spelling.
 *
 * Edits must not overlap; several insertions at one place keep their order.
 */
export function planRewrite({ record }: Pick<Model, 'record'>, edits: readonly Edit[]): Segment[] {
  return planMessage(record.message, edits);
}

/** {@link planRewrite} of the content of one message, which all edits lie in. */
export function planMessage(root: Message, edits: readonly Edit[]): Segment[] {
  const growth = new Map<Message, number>();
  const grow = (message: Message, by: number): void => void growth.set(message, (growth.get(message) ?? 0) + by);
  const depth = (message: Message): number => (message.parent ? depth(message.parent) + 1 : 0);
  for (const edit of edits) {
    // Every ancestor is noted, so that deeper messages can add to it in order of depth.
    for (let message: Message | undefined = edit.within; message && message !== root; message = message.parent)
      grow(message, 0);
    grow(edit.within, lengthOf(edit.pieces) - (edit.end - edit.start));
  }
  const lengthEdits: Edit[] = [];
  const deepestFirst = [...growth.keys()]
    .map((message) => ({ message, depth: depth(message) }))
    .sort((a, b) => b.depth - a.depth);
  for (const { message } of deepestFirst) {
    const by = growth.get(message) as number;
    if (by === 0 || message === root || !message.parent) continue;
    const bytes = encodeVarint(message.end - message.start + by);
    lengthEdits.push({ within: message.parent, start: message.lengthStart, end: message.start, pieces: [bytes] });
    grow(message.parent, by + bytes.length - (message.start - message.lengthStart));
  }

  // What is appended to a message comes before what is inserted behind it in the enclosing one, at the same byte.
  const ordered = [...edits, ...lengthEdits]
    .map((edit, order) => ({ edit, order, depth: depth(edit.within) }))
    .sort((a, b) => a.edit.start - b.edit.start || a.edit.end - b.edit.end || b.depth - a.depth || a.order - b.order);
  const segments: Segment[] = [];
  let position = root.start;
  for (const { edit } of ordered) {
    if (edit.start < position) throw new Error(`edits overlap at byte ${edit.start}`);
    if (edit.start > position) segments.push({ copy: { start: position, end: edit.start } });
    for (const piece of edit.pieces) {
      if (piece.length > 0) segments.push('slot' in piece ? piece : { bytes: piece });
    }
    position = edit.end;
  }
  const { end } = root;
  if (end > position) segments.push({ copy: { start: position, end } });
  return segments;
}

/** The length of a planned file. */
export function plannedBytes(segments: readonly Segment[]): number {
  let total = 0;
  for (const segment of segments) {
    total +=
      'copy' in segment
        ? segment.copy.end - segment.copy.start
        : 'bytes' in segment
          ? segment.bytes.length
          : segment.length;
  }
  return total;
}
