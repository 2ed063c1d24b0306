import { samePath } from '../core/index.ts';
import { keepSkeleton, type Model, openModel, provenanceSteps } from '../onnx/index.ts';

/** Whether a model is itself an average that avg-ckpt wrote. */
export function isAverage({ record }: Pick<Model, 'record'>): boolean {
  return provenanceSteps(record).some(({ value }) => /"command":\s*"avg-ckpt"/.test(value));
}

/**
 * Leaves out of a run's folder what avg-ckpt wrote into it: its name mostly sorts behind the snapshots, so that an EMA would
 * give it the largest weight. Files that cannot be read stay, for the error that says why.
 * @param out the output to come: that it is there already goes without saying
 */
export function leaveOutAverages(out: string | undefined, note: (text: string) => void): (path: string) => boolean {
  let like: Model | undefined;
  return (path) => {
    let model: Model;
    try {
      model = openModel(path, like);
    } catch {
      return false;
    }
    try {
      if (model.record !== like?.record) {
        // Snapshots of one run mostly have one structure: the others are compared with it, not walked.
        keepSkeleton(model);
        like = model;
      }
      if (!isAverage(model)) return false;
    } finally {
      model.close();
    }
    // What `force` is about to replace goes without saying; a snapshot of that name stays, and is never overwritten.
    if (out === undefined || !samePath(out, path))
      note(`${path}: is an average that avg-ckpt wrote; left out (to use it, name the file)`);
    return true;
  };
}
