import { TemperError } from '../../core/index.ts';
import type { MetadataEntry } from '../read/model.ts';

/** Each step that onnx-temper took on a model is one metadata_props entry: `onnx_temper.1`, `onnx_temper.2`, … */
const PROVENANCE_PREFIX = 'onnx_temper.';

/** Nine digits. */
const MAX_STEP = 999_999_999;

interface WithEntries {
  readonly metadata: readonly MetadataEntry[];
}

export interface ProvenanceStep {
  readonly step: number;
  readonly key: string;
  /** JSON, as written. */
  readonly value: string;
}

/** The recorded steps in order. */
export function provenanceSteps(record: WithEntries): ProvenanceStep[] {
  return record.metadata
    .flatMap(({ key, value }) => {
      const number = key.startsWith(PROVENANCE_PREFIX) ? key.slice(PROVENANCE_PREFIX.length) : '';
      return /^[1-9][0-9]{0,8}$/.test(number) ? [{ step: Number(number), key, value }] : [];
    })
    .sort((a, b) => a.step - b.step);
}

/** The key of the step after one that is not written yet. */
export function stepKeyAfter(key: string): string {
  return `${PROVENANCE_PREFIX}${Number(key.slice(PROVENANCE_PREFIX.length)) + 1}`;
}

/** The key of the next step. @throws TemperError FORMAT_LIMIT if no further one can be read back */
export function nextStepKey(record: WithEntries): string {
  const step = (provenanceSteps(record).at(-1)?.step ?? 0) + 1;
  if (step > MAX_STEP) throw new TemperError('FORMAT_LIMIT', `metadata_props has ${MAX_STEP} steps of onnx-temper`);
  return `${PROVENANCE_PREFIX}${step}`;
}
