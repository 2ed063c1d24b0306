import { TemperError } from '../core/index.ts';
import { type Model, modelNameOf, openModel } from '../onnx/index.ts';
import type { RecordedFile } from '../snapshots/index.ts';
import { comparison } from './comparison.ts';
import { type HashOf, sha256Of } from './find-input.ts';
import type { OutputFiles } from './write-outputs.ts';

/** The data files of a snapshot that are not those that were averaged. */
export function changedData(path: string, input: RecordedFile, hashOf: HashOf): string[] {
  const model = openModel(path);
  try {
    const known = new Map(input.data?.map(({ location, sha256 }) => [location, sha256]));
    return model.externalLocations.filter((at) => hashOf(model.external(at).path) !== known.get(at));
  } finally {
    model.close();
  }
}

/** Compares what is written with what is there, file by file. Nothing is kept. */
export function comparedFiles(subject: Model): {
  readonly target: OutputFiles;
  /** What differs, once all is written. */
  readonly findings: () => string[];
} {
  const { path } = subject;
  const [location] = subject.externalLocations;
  const model = comparison(() => subject.source);
  const data = location === undefined ? undefined : comparison(() => subject.external(location));
  const hashOfData = location === undefined ? '' : sha256Of(subject.external(location).path);
  const opened = (file: typeof model, sha256: string) => ({
    ...file,
    get size() {
      return file.size;
    },
    sha256: () => sha256,
  });
  return {
    target: {
      path: (location && modelNameOf(location)) ?? path,
      openModel: () => opened(model, ''),
      openData: () => {
        if (data) return opened(data, hashOfData);
        throw new TemperError('MISMATCH_VALUE', `${path}: has no external data, but its inputs have`);
      },
    },
    findings: () =>
      (
        [
          [path, model],
          [location, data],
        ] as const
      ).flatMap(([file, result]) =>
        result?.difference === undefined
          ? []
          : `${file}: differs from the recomputed average at byte ${result.difference}`,
      ),
  };
}
