import { join } from 'node:path';
import { canonicalHash, canonicalJson, version } from '../core/index.ts';
import { nextStepKey, openModel, type WrittenModel, writeEdited } from '../onnx/index.ts';
import { carried, configTargets, measuredWith, writeConfigs } from '../signature/index.ts';
import type { FinalRecord } from './final.ts';
import { snakeKeys } from './key-case.ts';
import type { ReadRun } from './read.ts';
import { settingsDocument } from './recipe.ts';
import type { DecidedStep } from './record.ts';
import type { Current } from './steps/step.ts';

export const MODEL_FILE = 'model.onnx';
export const RECIPE_FILE = 'recipe.yaml';
export const RESULTS_FILE = 'results.json';
export const CARD_FILE = 'README.md';

/** What a run writes. @param reports names of further files */
export const outputPaths = (outDir: string, writeConfig: boolean, reports: readonly string[]): string[] => [
  ...[MODEL_FILE, RECIPE_FILE, RESULTS_FILE, CARD_FILE, ...reports].map((name) => join(outDir, name)),
  ...configTargets(join(outDir, MODEL_FILE), { writeConfig }),
];

/** What a step's decision rests on, as recipe, metadata and results have it: no time, no path. */
export function decisionFields({ step, untried, proposal, taken, level }: DecidedStep) {
  const { chose, among, evidence, doubt, forced, facts } = proposal ?? {};
  return {
    step,
    taken,
    ...(untried === undefined ? {} : { untried }),
    ...(chose === undefined ? {} : { chose, among, level }),
    ...(evidence ?? {}),
    ...(doubt === undefined ? {} : { doubt }),
    ...(forced === undefined ? {} : { forced }),
    ...Object.fromEntries(Object.entries(facts ?? {}).filter(([, value]) => value !== undefined && value !== null)),
  };
}

/** The model with its preprocessing, the names of its classes, and what was decided: the bytes of the chosen model beside. */
export function writeModel(
  current: Current,
  steps: readonly DecidedStep[],
  read: ReadRun,
  final: FinalRecord,
  outDir: string,
): WrittenModel {
  const { settings, sets, snapshots } = read;
  const { writeConfig } = settings;
  const path = join(outDir, MODEL_FILE);
  const model = openModel(current.model);
  try {
    const names = final.classNames.length > 0 ? final.classNames : sets.val.classes;
    const known = measuredWith(model, current.transform, { names, choice: settings.transform });
    const carrying = carried(model, known, { writeConfig, input: settings.input });
    const value = canonicalJson({
      tool: 'onnx-temper',
      version,
      command: 'finish',
      settings_sha256: canonicalHash(settingsDocument(settings)),
      last_snapshot_sha256: snapshots.at(-1)?.sha256,
      steps: steps.map(decisionFields),
      chooses: { n_images: sets.choosing.images, rows_sha256: sets.choosing.rowsSha256 },
      reports: { n_images: sets.reporting.images, rows_sha256: sets.reporting.rowsSha256 },
      gains: snakeKeys(final.gains.steps),
      total: snakeKeys(final.gains.total ?? null),
      provider: final.provider,
      onnxruntime: final.onnxruntime,
    });
    const step = { key: nextStepKey(model.record), value };
    const metadata = [...carrying.metadata, step, ...carrying.later];
    const written = writeEdited(model, carrying.edits, { path, force: true, metadata });
    writeConfigs(carrying, path, true);
    return written;
  } finally {
    model.close();
  }
}
