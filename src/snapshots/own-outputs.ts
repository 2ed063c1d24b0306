import { openFile, openSafetensors, samePath } from '../core/index.ts';
import { keepSkeleton, type Model, openModel, provenanceSteps } from '../onnx/index.ts';

/** Whether a model is itself an average that avg-ckpt wrote. */
export function isAverage({ record }: Pick<Model, 'record'>): boolean {
  return provenanceSteps(record).some(({ value }) => /"command":\s*"avg-ckpt"/.test(value));
}

/** The command that wrote a model last, by what metadata_props say; undefined for a model that a trainer exported. */
function writtenBy({ record }: Pick<Model, 'record'>): string | undefined {
  const commands = provenanceSteps(record).flatMap(({ value }) => {
    try {
      const { tool, command } = JSON.parse(value) as { tool?: unknown; command?: unknown };
      return tool === 'onnx-temper' && typeof command === 'string' ? [command] : [];
    } catch {
      return [];
    }
  });
  return commands.at(-1);
}

/** What of onnx-temper's a model is, for a note; undefined for a snapshot. */
function ownOutput(model: Pick<Model, 'record'>): string | undefined {
  const command = writtenBy(model);
  if (isAverage(model)) return 'an average that avg-ckpt wrote';
  return command && `no snapshot, but what ${command} wrote`;
}

/** Whether a safetensors file says that onnx-temper wrote it. */
export function isWrittenState(path: string): boolean {
  if (!path.endsWith('.safetensors')) return false;
  const file = openFile(path);
  try {
    return [...openSafetensors(file).metadata.keys()].some((key) => key.startsWith('onnx_temper.'));
  } catch {
    return false;
  } finally {
    file.close();
  }
}

/**
 * Leaves out of a run's folder what onnx-temper wrote into it (averages, recalibrated and tuned models, samples): its name mostly
 * sorts behind the snapshots, so that an EMA would give it the largest weight. Files that cannot be read stay, for the error
 * that says why.
 * @param out the output to come: that it is there already goes without saying
 */
export function leaveOutOutputs(out: string | undefined, note: (text: string) => void): (path: string) => boolean {
  let like: Model | undefined;
  return (path) => {
    let model: Model;
    try {
      model = openModel(path, like);
    } catch {
      const written = isWrittenState(path);
      if (written) note(`${path}: is an average that avg-ckpt wrote; left out (to use it, name the file)`);
      return written;
    }
    let what: string | undefined;
    try {
      if (model.record !== like?.record) {
        // Snapshots of one run mostly have one structure: the others are compared with it, not walked.
        keepSkeleton(model);
        like = model;
      }
      what = ownOutput(model);
    } finally {
      model.close();
    }
    if (what === undefined) return false;
    // What `force` is about to replace goes without saying; a snapshot of that name stays, and is never overwritten.
    if (out === undefined || !samePath(out, path)) note(`${path}: is ${what}; left out (to use it, name the file)`);
    return true;
  };
}
