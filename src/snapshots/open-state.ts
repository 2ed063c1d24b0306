import { type FileSource, HEAD_BYTES, openFile, otherKind, readBytes, TemperError } from '../core/index.ts';
import { CHECKPOINT_KINDS } from './checkpoint-kind.ts';
import { type StateCandidate, type UnnamedTensor, WHOLE_FILE } from './state/candidate.ts';
import { type CheckpointFiles, checkpointFiles } from './state/checkpoint-files.ts';
import { chooseState } from './state/choose-state.ts';
import type { StateContent } from './state/content.ts';
import { safetensorsContent } from './state/safetensors-state.ts';
import { torchContent } from './state/torch-state.ts';
import { trainerFacts } from './state/trainer-state.ts';
import { unwrapNames } from './state/wrapper-names.ts';
import type { StateChoice, StateTable, StateTensor } from './state-table.ts';

/** Zips and pickles are torch's, unless a JSON header begins behind eight bytes of its length. */
function isTorch(head: Uint8Array): boolean {
  const isZip = head[0] === 0x50 && head[1] === 0x4b;
  return isZip || (head[0] === 0x80 && head[8] !== 0x7b);
}

/** @throws TemperError FORMAT_*, UNSUPPORTED_* */
function contentOf(source: FileSource): StateContent {
  const head = readBytes(source, 0, Math.min(HEAD_BYTES, source.size));
  const other = otherKind(source.path, head, 'a training checkpoint', CHECKPOINT_KINDS);
  if (other) throw other;
  return isTorch(head) ? torchContent(source) : safetensorsContent(source);
}

/** The tensors of one shard, which must be those that the index says. */
function shardTensors(
  { key, tensors }: StateCandidate,
  path: string,
  names: ReadonlySet<string>,
): ReadonlyMap<string, UnnamedTensor> {
  const found = key === WHOLE_FILE ? tensors() : new Map<string, UnnamedTensor>();
  const missing = [...names].find((name) => !found.has(name));
  const surplus = [...found.keys()].find((name) => !names.has(name));
  if (missing === undefined && surplus === undefined) return found;
  const what =
    missing === undefined ? `has ${JSON.stringify(surplus)}, which` : `lacks ${JSON.stringify(missing)}, which`;
  throw new TemperError('FORMAT_MALFORMED', `${path}: ${what} the index says otherwise`, {
    hint: 'Copy or save the checkpoint again: its index and its files belong together.',
    details: { path, tensor: missing ?? surplus },
  });
}

/** A sharded checkpoint as one state dict. */
function joined(path: string, { shards }: CheckpointFiles, contents: readonly StateContent[]): StateContent {
  const tensors = (): ReadonlyMap<string, UnnamedTensor> =>
    new Map(
      shards.flatMap((shard, i) => {
        const candidate = chooseState(path, contents[i]?.candidates ?? [], WHOLE_FILE);
        return [...shardTensors(candidate, shard.path, shard.names ?? new Set())];
      }),
    );
  return { candidates: [{ key: WHOLE_FILE, role: 'model', tensors }], facts: contents[0]?.facts ?? {} };
}

/** Tensors by their final names. */
function named(
  path: string,
  found: ReadonlyMap<string, UnnamedTensor>,
): { tensors: Map<string, StateTensor>; prefix: string } {
  const { renamed, prefix } = unwrapNames([...found.keys()]);
  const tensors = new Map<string, StateTensor>();
  for (const [given, tensor] of found) {
    const name = renamed.get(given);
    if (name === undefined) continue;
    if (tensors.has(name)) {
      throw new TemperError(
        'FORMAT_MALFORMED',
        `${path}: two weights are called ${JSON.stringify(name)} without wrappers`,
        {
          hint: 'Save the state dict of the model itself.',
          details: { path, tensor: name },
        },
      );
    }
    tensors.set(name, { ...tensor, name });
  }
  return { tensors, prefix };
}

/**
 * Opens a training checkpoint as one table of tensors: PyTorch (zip and old form), Lightning, safetensors, sharded ones by
 * their index, folders of these. Pickles are read by a reader that executes nothing.
 *
 * Memory: names and places of tensors; of a pickle at most 96 MiB of objects while it is opened.
 * @param path a file, an index (`model.safetensors.index.json`) or a folder
 * @throws TemperError INPUT_*, FORMAT_*; UNSUPPORTED_* for weights that cannot be read, by name; USAGE for a `state` that is not there
 * @example
 * const table = openState('run/checkpoint-25.pth.tar', { state: 'auto' });
 * console.log(table.state.taken, table.epoch, [...table.tensors.keys()]);
 */
export function openState(
  path: string,
  { state = 'auto' }: { readonly state?: StateChoice | undefined } = {},
): StateTable {
  const located = checkpointFiles(path);
  const files: FileSource[] = [];
  const close = (): void => {
    for (const file of files) file.close();
  };
  try {
    for (const shard of located.shards) files.push(openFile(shard.path));
    const contents = files.map(contentOf);
    const content = located.index === undefined ? (contents[0] as StateContent) : joined(path, located, contents);
    const chosen = chooseState(path, content.candidates, state);
    const { tensors, prefix } = named(path, chosen.tensors());
    const first = located.shards[0]?.path ?? path;
    return {
      path,
      tensors,
      state: {
        taken: chosen.key,
        candidates: content.candidates.map(({ key }) => key),
        ...(prefix === '' ? {} : { prefix }),
      },
      ...trainerFacts(first),
      ...content.facts,
      files,
      assertUnchanged() {
        for (const file of files) file.assertUnchanged();
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}
