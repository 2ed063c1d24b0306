import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Argv, Options } from 'yargs';
import { type AverageRecord, type Plan, type PublishedOutput, type TensorPlan, averageFiles, chooseTemplate, diagnose, effectiveModels, planTensors, verifyAverage } from '../../src/average/index.ts';
import { TemperError, version, writeError } from '../../src/core/index.ts';
import { isAverage, leaveOutAverages, planFiles, withModels } from '../shared/load-snapshots.ts';
import { interruptSignal } from '../shared/main.ts';
import { grouped } from '../shared/option-values.ts';
import { note, print, TALK, WRITE } from '../shared/output-options.ts';
import { progress } from '../shared/progress.ts';
import { textTable } from '../shared/text-table.ts';
import { METHOD, planOptions, SELECTION, STORAGE, TENSORS, tensorRules } from './average-options.ts';
import { diagnosisDocument, diagnosisText } from './diagnosis-output.ts';
import { addSearch } from './search-command.ts';
import { addSwag } from './swag-command.ts';

const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw writeError(path, error);
  }
}

function outputPaths(plan: Plan, out: string | undefined, outDir: string | undefined): string[] {
  if (out !== undefined && outDir !== undefined) {
    throw new TemperError('USAGE', '--out and --out-dir exclude each other', { hint: 'Give one of them.' });
  }
  if (outDir) {
    if (existsSync(outDir) && !isFolder(outDir)) {
      throw new TemperError('USAGE', `--out-dir ${outDir}: is a file, expected a folder`, {
        hint: 'Name a folder, or give --out FILE for one average.',
      });
    }
    return plan.rows.map(({ name }) => join(outDir, `${name}.onnx`));
  }
  if (!out) {
    throw new TemperError('USAGE', 'no output is named', { hint: 'Give --out FILE, or --out-dir DIR, or --dry-run.' });
  }
  if (plan.rows.length > 1) {
    throw new TemperError('USAGE', `these options make ${plan.rows.length} averages, --out names one file`, {
      hint: 'Give --out-dir DIR.',
      details: { averages: plan.rows.map(({ name }) => name) },
    });
  }
  if (isFolder(out)) {
    throw new TemperError('USAGE', `--out ${out}: is a folder, expected a file`, {
      hint: `Name a file in it (--out ${join(out, 'average.onnx')}), or give --out-dir ${out}.`,
    });
  }
  return [out];
}

const weight = (plan: Plan, row: number, i: number): number => {
  const { coefficients, divisor } = plan.rows[row] as Plan['rows'][number];
  return (coefficients[i] as number) / divisor;
};

function planDocument(plan: Plan) {
  return plan.rows.map((row, r) => ({
    average: row.name,
    divisor: row.divisor,
    effective_models: effectiveModels(row),
    inputs: plan.snapshots.map(({ file, step }, i) => ({
      file,
      step: step ?? null,
      coefficient: row.coefficients[i],
      weight: weight(plan, r, i),
    })),
  }));
}

function planText(plan: Plan): string {
  const cells = plan.snapshots.map(({ file, step }, i) => [
    file,
    step === undefined ? '' : String(step),
    ...plan.rows.map((_, r) => weight(plan, r, i).toFixed(6)),
  ]);
  const effective = ['effective number of models', '', ...plan.rows.map((row) => effectiveModels(row).toFixed(3))];
  return textTable(['snapshot', 'step', ...plan.rows.map(({ name }) => name)], [...cells, effective]);
}

function tensorsText({ tensors, roles }: TensorPlan): string {
  const kinds = [...roles].map(([role, count]) => `${count} ${role.replace(/_/g, ' ')}`).join(', ');
  return `${tensors.length} tensors averaged of ${kinds}`;
}

function requantizedText({
  tensors,
  relative_rms_error,
  max_error,
}: NonNullable<AverageRecord['requantized']>): string {
  const rms = (100 * relative_rms_error).toPrecision(3);
  return `  ${tensors} tensors quantized again: ${rms} % (rms) and at most ${max_error.toPrecision(3)} from the float average\n`;
}

function outputText({ path, bytes, sha256, data, row, record: { requantized } }: PublishedOutput): string {
  const one = (file: string, size: number, hash: string): string => `${file}  ${size} bytes  sha256 ${hash}\n`;
  const used = row.coefficients.filter((coefficient) => coefficient !== 0).length;
  const title = `${row.name} of ${used} (effective ${effectiveModels(row).toFixed(2)}): `;
  const weights = data ? `  weights: ${one(data.path, data.bytes, data.sha256)}` : '';
  return `${title}${one(path, bytes, sha256)}${weights}${requantized ? requantizedText(requantized) : ''}`;
}

function outputDocument({ path, bytes, sha256, data, row, record }: PublishedOutput) {
  return { path, bytes, sha256, data: data ?? null, effective_models: effectiveModels(row), ...record };
}

const TARGETS = grouped('Output:', {
  out: { type: 'string', describe: 'The averaged model' },
  'out-dir': { type: 'string', describe: 'A folder for several averages, named by method; made if it is missing' },
  'dry-run': { type: 'boolean', default: false, describe: 'Print the plan and check the graphs only' },
} as const satisfies Record<string, Options>);

function addAverage(parser: Argv): Argv {
  return parser.command(
    '$0 [inputs..]',
    'Average snapshots of one training run into a better checkpoint',
    (y) =>
      y
        .positional('inputs', {
          type: 'string',
          array: true,
          default: [] as string[],
          describe: 'A folder, files, or a glob',
        })
        .options({ ...TARGETS, ...STORAGE, ...WRITE, ...TALK, ...SELECTION, ...METHOD, ...TENSORS })
        .example('$0 run/ --out swa.onnx', 'the mean of all snapshots (SWA)')
        .example('$0 run/ --decay 0.8,0.9 --last 10 --out-dir averages', 'two EMAs of the last ten, in one pass')
        .epilogue(
          'The output is the newest snapshot with averaged weights; its metadata_props say what it was made from. ' +
            'Exit codes: 2 usage, 3 input, 4 format, 5 unsupported, 6 snapshots differ, 7 execution, 8 NaN or Inf.',
        ),
    async (args) => {
      const say = (text: string): void => note(args, text);
      const signal = interruptSignal();
      if (args.inputs.length === 0) {
        throw new TemperError('USAGE', 'no snapshots are named', {
          hint: 'Name a folder of .onnx files, or the files.',
        });
      }
      const paths = expandInputs(args.inputs, args.pattern, leaveOutAverages(args.out, say));
      const plan = planFiles(paths, planOptions(args), args['allow-duplicates'], say);
      const targets = args['dry-run'] ? [] : outputPaths(plan, args.out, args['out-dir']);
      await withModels(
        plan.snapshots.map(({ file }) => file),
        async (models) => {
          const templateIndex = chooseTemplate(models);
          const rules = tensorRules(args);
          const tensors = planTensors(models, templateIndex, rules);
          for (const text of tensors.notes) say(text);
          for (const model of models.filter(isAverage)) say(`${model.path}: is itself an average that avg-ckpt wrote`);
          if (args['dry-run']) {
            print(args, { averages: planDocument(plan) }, `${planText(plan)}${tensorsText(tensors)}\n`);
            return;
          }
          if (args['out-dir']) makeFolder(args['out-dir']);
          const total = models.reduce(
            (sum, m) => sum + m.source.size + m.externalLocations.reduce((s, l) => s + m.external(l).size, 0),
            0,
          );
          const bar = progress('averaging', total, args.quiet);
          let written: PublishedOutput[];
          try {
            written = await averageFiles(
              {
                models,
                steps: plan.snapshots.map(({ step }) => step),
                templateIndex,
                plan: tensors,
                rules,
                rows: plan.rows,
                dtype: args.dtype,
                version,
                allowNonfinite: args['allow-nonfinite'],
                signal,
                onProgress: (done) => bar.update(done),
              },
              targets,
              args.force,
            );
          } finally {
            bar.end();
          }
          print(
            args,
            { outputs: written.map(outputDocument) },
            `${tensorsText(tensors)}\n${written.map(outputText).join('')}`,
          );
        },
      );
    },
  );
}

function addVerify(parser: Argv): Argv {
  return parser.command(
    'verify <file>',
    'Recompute an average from its record and compare every byte (exit code 1 if it differs)',
    (y) =>
      y
        .positional('file', { type: 'string', demandOption: true, describe: 'A model that avg-ckpt wrote' })
        .option('inputs', {
          type: 'string',
          array: true,
          nargs: 1,
          default: [] as string[],
          describe: 'A folder to look for the snapshots in, besides that of FILE; may be given several times',
        })
        .options(TALK)
        .example('$0 verify swa.onnx --inputs run/', ''),
    async (args) => {
      const verdict = await verifyAverage(args.file, args.inputs, interruptSignal());
      for (const text of verdict.notes ?? []) note(args, text);
      const text = verdict.ok ? `${args.file}: verified, equal to the byte\n` : `${verdict.findings.join('\n')}\n`;
      print(args, { file: args.file, ...verdict }, text);
      if (!verdict.ok) process.exitCode = 1;
    },
  );
}

function addDiagnose(parser: Argv): Argv {
  return parser.command(
    'diagnose <inputs..>',
    'Show how well snapshots belong together, before averaging them',
    (y) =>
      y
        .positional('inputs', {
          type: 'string',
          array: true,
          demandOption: true,
          describe: 'A folder, files, or a glob',
        })
        .options({ ...TALK, ...SELECTION, ...TENSORS })
        .example('$0 diagnose run/', ''),
    async (args) => {
      const say = (text: string): void => note(args, text);
      const paths = expandInputs(args.inputs, args.pattern, leaveOutAverages(undefined, say));
      const plan = planFiles(paths, planOptions(args), args['allow-duplicates'], say);
      const unique = plan.snapshots.map(({ file }) => file);
      await withModels(unique, async (models) => {
        const { tensors, notes } = planTensors(models, chooseTemplate(models), tensorRules(args));
        for (const text of notes) say(text);
        const diagnosis = diagnose(models, tensors);
        print(args, diagnosisDocument(diagnosis), diagnosisText(diagnosis));
      });
    },
  );
}

/** avg-ckpt and its subcommands. */
export function addAvgCkpt(parser: Argv): Argv {
  return addSwag(addSearch(addDiagnose(addVerify(addAverage(parser)))));
}
