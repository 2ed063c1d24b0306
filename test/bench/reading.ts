// What the reading of a model and its data costs (what its file says, its labels, images alone, the order of its classes).
import { random } from '../../src/core/index.ts';
import type { Dataset } from '../../src/data/index.ts';
import { batchDependence, labelWarnings, loneRows, type Predictions } from '../../src/evaluate/index.ts';
import { openModel } from '../../src/onnx/index.ts';
import { classOutput, readClassOutput, type Session, type Tensor } from '../../src/runtime/index.ts';
import { assertLabels, imageInput, modelFacts } from '../../src/signature/index.ts';

/** Of an evaluation, and at most this share of it. */
export const READ_IMAGES = 2000;
export const READING_TARGET = 0.02;
/** Of ResNet-18 on ImageNet: of wrong predictions other orders of classes are looked for. */
const TOP1 = 0.7;

function labelledTable(classes: number): Dataset {
  const names = Array.from({ length: classes }, (_, k) => `n${String(k).padStart(8, '0')}`);
  const table: Partial<Dataset> = {
    ...{ source: 'val', classes: names, classesFrom: 'names', labelled: true, length: READ_IMAGES },
    sample: (row) => ({ key: String(row), label: row % classes }),
  };
  return table as Dataset;
}

function predictions(classes: number): Predictions {
  const draw = random(1, 'reading');
  const labels = Int32Array.from({ length: READ_IMAGES }, (_, i) => i % classes);
  const top5 = new Int32Array(5 * READ_IMAGES);
  for (const [i, label] of labels.entries()) top5[5 * i] = draw.float() < TOP1 ? label : draw.below(classes);
  const zeros = new Float64Array(READ_IMAGES);
  return { keys: [], labels, top5, nll: zeros, confidence: zeros, sumP2: zeros };
}

/** Milliseconds of the whole reading, once. @param images a batch, which stays as it is */
export async function readingMs(path: string, session: Session, images: Tensor): Promise<number> {
  const output = classOutput(session);
  const input = imageInput(session);
  const copy = { ...images, data: images.data.slice() };
  const { outputs } = await session.run({ [input.name]: copy }, [output.name]);
  const scores = readClassOutput(session, output, outputs, images.dims[0] ?? 0);
  const [table, said] = [labelledTable(scores.classes), predictions(scores.classes)];
  const start = performance.now();
  const model = openModel(path);
  const facts = modelFacts(model, path);
  facts.outputKind(output.name);
  model.close();
  assertLabels(table, { label: path, count: scores.classes, names: facts.classNames });
  await batchDependence([{ session, input, output, images: 0 }], [scores], loneRows([images]));
  labelWarnings(said, scores.classes);
  return performance.now() - start;
}
