import { basename, join } from 'node:path';
import type { Argv, InferredOptionTypes, Options } from 'yargs';
import { TemperError, sha256OfFile, version, writeFileAtomic } from '../../src/core/index.ts';
import { type BadImage, type Transform, transformHash } from '../../src/data/index.ts';
import { ENSEMBLES, MANIFEST_FILE, type SourceScore, type Store, openStore, rowsOfStore, rowsToScore, scoreStudent, studentBatches } from '../../src/distill/index.ts';
import { modelFileSha256 } from '../../src/onnx/index.ts';
import { csvText } from '../../src/report/index.ts';
import type { Session } from '../../src/runtime/index.ts';
import { type ChosenData, DATA, openData } from '../shared/data-options.ts';
import { interruptSignal } from '../shared/main.ts';
import { grouped, numberList, wholeNumber } from '../shared/option-values.ts';
import { checkOutputs, note, print, TALK, WRITE } from '../shared/output-options.ts';
import { progress } from '../shared/progress.ts';
import { batchOf, openSessions, RUNTIME, workersOf } from '../shared/runtime-options.ts';
import {
  givenTransformOptions,
  modelInput,
  TRANSFORM,
  transformArguments,
  transformFor,
} from '../shared/transform-options.ts';
import { transformFields, transformText } from '../shared/transform-record.ts';
import { classMapOf } from './target-job.ts';
import { perRowFile } from './target-row-file.ts';
import { classRows, scoreRows, scoreText, tailText } from './target-score-text.ts';

const SCORE = grouped('Scoring:', {
  student: { type: 'string', demandOption: true, describe: 'ONNX model to compare with the targets' },
  temperatures: { type: 'string', describe: "Temperatures (default: the store's)", coerce: numberList('temperatures') },
  ensemble: {
    choices: [...ENSEMBLES, 'none'] as const,
    default: 'mean-probability' as const,
    describe: 'How several teachers are put together, beside each alone',
  },
  weights: {
    type: 'string',
    describe: 'Weight of each teacher in the ensemble (default: equal)',
    coerce: numberList('weights'),
  },
  outputs: {
    choices: ['auto', 'logits', 'probabilities', 'sigmoid'] as const,
    default: 'auto' as const,
    describe: 'What the student gives; probabilities are scored by log p',
  },
  'class-map': {
    type: 'string',
    describe: "Index of each class name in the student's output, where its classes are others or in another order",
  },
  worst: {
    type: 'string',
    default: 10,
    describe: 'Rows to name that differ most, at the first temperature',
    coerce: wholeNumber('worst', 0),
  },
} as const satisfies Record<string, Options>);

const OUT = grouped('Output:', {
  out: { type: 'string', describe: 'The scores as CSV, a row per teacher and temperature' },
  'per-class': { type: 'string', describe: 'Scores by class as CSV' },
  'per-row': { type: 'string', describe: 'KL of every row as CSV' },
} as const satisfies Record<string, Options>);

const ALL = { ...SCORE, ...OUT, ...DATA, ...TRANSFORM, ...RUNTIME, ...WRITE, ...TALK };
type Arguments = InferredOptionTypes<typeof ALL> & { readonly store: string } & Record<string, unknown>;

/** @throws TemperError USAGE for a temperature that a top-K store does not declare */
function temperaturesOf({ folder, manifest }: Store, asked: readonly number[] | undefined): readonly number[] {
  const { temperatures: declared, top_k } = manifest;
  const wrong = asked?.find((t, i) => !(t > 0) || asked.indexOf(t) !== i || (top_k !== null && !declared.includes(t)));
  if (wrong === undefined) return asked ?? declared;
  const what =
    wrong > 0 && top_k !== null && !declared.includes(wrong)
      ? `${folder} is a top-${top_k} store that knows the mass of the other classes at ${declared.join(', ')} alone`
      : 'expected numbers over 0, each once';
  throw new TemperError('USAGE', `--temperatures ${asked?.join(',')}: ${wrong}: ${what}`, {
    hint: 'Score at these, or store the targets again with --temperatures.',
  });
}

/** @throws TemperError USAGE */
function ensembleOf({ manifest }: Store, { ensemble, weights }: Arguments) {
  const { teachers, top_k } = manifest;
  if (ensemble === 'none' || teachers.length < 2) {
    if (weights === undefined) return undefined;
    throw new TemperError('USAGE', '--weights has no use without an ensemble of several teachers', {
      hint: 'Leave it out.',
    });
  }
  if (ensemble === 'mean-logit' && top_k !== null) {
    throw new TemperError('USAGE', '--ensemble mean-logit needs the logits of all classes, the store has top-K', {
      hint: 'Use mean-probability.',
    });
  }
  const given = weights ?? teachers.map(() => 1);
  const sum = given.reduce((a, b) => a + b, 0);
  if (given.length !== teachers.length || given.some((weight) => weight < 0) || !(sum > 0)) {
    throw new TemperError('USAGE', `--weights ${given.join(',')}: expected ${teachers.length} numbers >= 0, not all 0`);
  }
  return { how: ensemble, weights: given.map((weight) => weight / sum) };
}

/** The student's transform: the options, or what the first teacher was given. */
function studentTransform(
  session: Session,
  { dataset }: ChosenData,
  store: Store,
  args: Arguments,
): Transform | undefined {
  const [given] = givenTransformOptions(args);
  if (dataset.kind === 'tensor') {
    if (given === undefined) return undefined;
    throw new TemperError('USAGE', `${dataset.source}: numbers ready for the network, --${given} has no use`, {
      hint: 'Leave the transform options out.',
    });
  }
  const [teacher] = store.manifest.teachers;
  if (given !== undefined || !teacher?.transform) return transformFor(args, session, args.input, 0, 1);
  note(args, `the student sees what ${teacher.name} saw (no transform options are given)`);
  return transformFor(transformArguments(teacher.transform), session, args.input, 0, 1);
}

interface Scored {
  readonly scores: readonly SourceScore[];
  readonly transform: Transform | undefined;
  readonly outputs: string;
  readonly provider: string;
  readonly onnxruntime: string;
  readonly quarantine: readonly BadImage[];
}

async function measure(
  store: Store,
  session: Session,
  chosen: ChosenData,
  args: Arguments,
  signal: AbortSignal,
): Promise<Scored> {
  const { dataset } = chosen;
  const temperatures = temperaturesOf(store, args.temperatures);
  const transform = studentTransform(session, chosen, store, args);
  const ofStore = await rowsOfStore(store, dataset);
  const asked = args.rows === undefined && args.limit === undefined ? undefined : chosen.rows;
  const rows = rowsToScore(store, dataset, ofStore, asked);
  const quarantine: BadImage[] = [];
  const bar = progress(`scoring ${session.label}`, rows.length * store.manifest.views, args.quiet);
  const file =
    args['per-row'] === undefined
      ? undefined
      : perRowFile(args['per-row'], { temperatures, labelled: dataset.labelled }, args.force);
  try {
    const batches = studentBatches(store, dataset, {
      ofStore,
      rows,
      transform,
      batch: batchOf(args, [modelInput(session, args.input).batch]),
      workers: workersOf(args),
      onBadImage: args['on-bad-image'],
      quarantine: (bad) => {
        quarantine.push(bad);
        note(args, `left out ${bad.key}: ${bad.error.message}`);
      },
      signal,
    });
    const { scores, outputs } = await scoreStudent(store, session, batches, {
      temperatures,
      labelled: dataset.labelled,
      worst: args.worst ?? 0,
      ensemble: ensembleOf(store, args),
      outputs: args.outputs,
      input: args.input,
      output: args.output,
      classMap: classMapOf(args, chosen, 0, 1),
      onProgress: (done) => bar.update(done),
      onRow: (source, row) => file?.add(source, row),
    });
    file?.publish();
    return { scores, transform, outputs, provider: session.provider, onnxruntime: session.ortVersion, quarantine };
  } finally {
    bar.end();
    file?.discard();
  }
}

async function score(args: Arguments): Promise<void> {
  const signal = interruptSignal();
  const outputs = [args.out, args['per-class'], args['per-row']].filter((path) => path !== undefined);
  const inputs = [args.student, args.data, args.labels, args.classes].filter((path) => path !== undefined);
  checkOutputs(outputs, inputs, args.force);
  const store = openStore(args.store);
  // Before anything is opened that takes time.
  temperaturesOf(store, args.temperatures);
  ensembleOf(store, args);
  const chosen = await openData(args, { labelled: false });
  try {
    const sessions = await openSessions([args.student], args, (text) => note(args, text));
    try {
      const [session] = sessions as [Session];
      const found = await measure(store, session, chosen, args, signal);
      await report(store, chosen, found, args);
    } finally {
      await Promise.all(sessions.map((session) => session.close()));
    }
  } finally {
    await chosen.dataset.close();
  }
}

async function report(store: Store, { dataset }: ChosenData, found: Scored, args: Arguments): Promise<void> {
  const { scores, transform, quarantine } = found;
  const provenance = {
    student: basename(args.student),
    student_sha256: await modelFileSha256(args.student),
    store: args.store,
    store_manifest_sha256: await sha256OfFile(join(store.folder, MANIFEST_FILE)),
    data_table_sha256: dataset.tableHash(),
    outputs: found.outputs,
    ...transformFields(transform),
    provider: found.provider,
    onnxruntime: found.onnxruntime,
    n_bad_images: store.manifest.bad_images.length + quarantine.length,
    version,
  };
  const rows = scoreRows(scores, provenance);
  if (args.out !== undefined) {
    writeFileAtomic(args.out, csvText(Object.keys(rows[0] ?? {}), rows), { force: args.force });
  }
  if (args['per-class'] !== undefined) {
    const classes = classRows(scores, dataset.classes);
    writeFileAtomic(args['per-class'], csvText(Object.keys(classes[0] ?? {}), classes), { force: args.force });
  }
  const seen = transform
    ? `${transformText(transform)}, ${transformHash(transform).slice(0, 12)}`
    : 'none: the data is network input';
  print(
    args,
    { ...provenance, ...tailText(store.manifest), scores },
    `${scoreText(scores, store.manifest)}transform of the student: ${seen}\n`,
  );
}

/** teacher-logits score: how far a student is from stored targets. */
export function addScore(parser: Argv): Argv {
  return parser.command(
    'score <store>',
    'Compare a student with stored targets: T²·KL at each temperature, agreement, accuracy, by class, the worst rows',
    (y) =>
      y
        .positional('store', { type: 'string', demandOption: true, describe: 'The folder of a target store' })
        .options(ALL)
        .example('$0 score targets/ --student swa.onnx --data train/', 'on the views that the store records'),
    async (args) => score(args as unknown as Arguments),
  );
}
