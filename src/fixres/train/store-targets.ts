import { TemperError } from '../../core/index.ts';
import { ensembleLogP, type Store, targetReader } from '../../distill/index.ts';
import type { Tensor } from '../../runtime/index.ts';

/** Distributions that teachers gave, read from a store. */
export interface StoreTargets {
  /** [rows, classes] softmax of the teachers' logits over T, the mean of several. @param rows of the store, ascending */
  read(rows: readonly number[]): Tensor;
  close(): void;
}

/**
 * Targets of a store at a temperature. Of several teachers the mean of their probabilities; of a top-K store the mass that
 * is left is spread evenly over the other classes.
 * @throws TemperError USAGE for a temperature that a top-K store does not declare; MISMATCH_VALUE for other classes
 */
export function storeTargets(store: Store, classes: number, temperature: number): StoreTargets {
  const { folder, manifest } = store;
  const other = manifest.teachers.find(({ n_classes }) => n_classes !== classes);
  if (other) {
    throw new TemperError(
      'MISMATCH_VALUE',
      `${folder}: teacher ${other.name} has ${other.n_classes} classes, the model has ${classes}`,
      { hint: 'Make targets of the classes of the model (teacher-logits `classMap`).', details: { path: folder } },
    );
  }
  const declared = manifest.temperatures.indexOf(temperature);
  if (manifest.top_k !== null && declared < 0) {
    throw new TemperError(
      'USAGE',
      `\`temperature\` ${temperature}: ${folder} holds the ${manifest.top_k} highest logits, exact at ${manifest.temperatures.join(', ')}`,
      { hint: 'Use one of these, or make a store of all classes.', details: { path: folder } },
    );
  }
  const reader = targetReader(store);
  const weights = manifest.teachers.map(() => 1 / manifest.teachers.length);
  const logP = new Float64Array(classes);
  return {
    read(rows) {
      const teachers = reader.read(rows);
      const data = new Float32Array(rows.length * classes);
      for (let i = 0; i < rows.length; i++) {
        const stored = teachers.map((teacher) => teacher.row(i, declared));
        ensembleLogP(stored, 'mean-probability', weights, temperature, logP);
        for (let c = 0; c < classes; c++) data[i * classes + c] = Math.exp(logP[c] as number);
      }
      return { type: 'float32', dims: [rows.length, classes], data };
    },
    close: () => reader.close(),
  };
}
