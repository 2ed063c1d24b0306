import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  formText,
  MANIFEST_FILE,
  openStore,
  RUN_FILE,
  readRun,
  SAMPLES_FILE,
  type StoreRun,
  storeBytes,
  teacherFields,
} from '../distill/index.ts';
import { type Described, type Facts, fact } from './inspected.ts';

/** Whether a folder is one that teacher-logits writes, finished or not. */
export const isStore = (folder: string): boolean =>
  (existsSync(join(folder, RUN_FILE)) && existsSync(join(folder, SAMPLES_FILE))) ||
  (existsSync(join(folder, MANIFEST_FILE)) && existsSync(join(folder, 'teachers')));

function runFacts(run: StoreRun, file: string): Facts {
  const teachers = teacherFields(run, null).map(
    ({ model, n_classes, outputs }) => `${model} (${outputs}, ${n_classes} classes)`,
  );
  return {
    n_samples: fact(run.n_samples, file),
    views: fact(run.views, file),
    n_rows: fact(run.n_rows, file),
    targets: fact(formText(run), file),
    temperatures: fact(run.temperatures.map(String), file),
    teachers: fact(teachers, file),
    ...(run.classes && { class_names: fact(run.classes, file) }),
    version: fact(run.tool.version, file),
  };
}

/** A target store: its manifest, or of an unfinished one its run and the parts that are there. @throws TemperError INPUT_*, FORMAT_*, UNSUPPORTED_FORMAT */
export function describeStore(folder: string): Described {
  if (existsSync(join(folder, MANIFEST_FILE))) {
    const { manifest } = openStore(folder);
    const facts = { ...runFacts(manifest, MANIFEST_FILE), store_bytes: fact(storeBytes(manifest), MANIFEST_FILE) };
    return { kind: 'target-store', is: 'is a store of targets (teacher-logits)', facts };
  }
  const run = readRun(folder, RUN_FILE);
  const parts = join(folder, 'parts');
  const done = existsSync(parts) ? readdirSync(parts).filter((name) => name.endsWith('.json')).length : 0;
  return {
    kind: 'target-store',
    is: 'is an unfinished store of targets (teacher-logits)',
    facts: { ...runFacts(run, RUN_FILE), parts: fact(`${done} of ${run.n_parts}`, 'parts') },
  };
}
