import {
  type FinishOptions,
  type FinishRecord,
  finish,
  planFinish,
  resultsDocument,
  snakeKeys,
} from '../../src/finish/index.ts';
import { htmlReport, markdownReport } from '../../src/report/index.ts';
import { flagText } from '../shared/flag-text.ts';
import { readingDocument } from '../shared/reading-document.ts';
import type { Terminal } from '../shared/terminal.ts';
import { type FinishArguments, finishOptions } from './options.ts';
import { finishPage } from './page.ts';
import { finishText, planText } from './text.ts';

/** What the files of the folder are. */
const FILES: Readonly<Record<string, string>> = {
  'model.onnx': 'the model, with its preprocessing',
  'recipe.yaml': 'what ran: --recipe runs it again',
  'results.json': 'all numbers',
  'README.md': 'model card',
  'report.html': 'report',
  'report.md': 'report',
};

const documentOf = (record: FinishRecord): object => {
  const { model, outputs, warnings, read } = record;
  return {
    ...resultsDocument(record),
    warnings: warnings.map(flagText),
    output: { ...model, data: model.data ?? null },
    outputs,
    reading: readingDocument(read.reading),
  };
};

async function dryRun(options: FinishOptions, terminal: Terminal): Promise<number> {
  const plan = await planFinish(options, terminal.control);
  terminal.print(snakeKeys({ ...plan, seconds: plan.seconds ?? null }), plan, planText);
  return 0;
}

export async function finishCommand(args: FinishArguments, terminal: Terminal): Promise<number> {
  const options = finishOptions(args);
  if (args['dry-run']) return dryRun(options, terminal);
  const page = (record: FinishRecord) => finishPage(record, terminal.commandLine);
  const reports: NonNullable<FinishOptions['reports']> = {
    'report.html': (record) => htmlReport(page(record)),
    'report.md': (record) => markdownReport(page(record)),
  };
  const record = await finish({ ...options, reports }, terminal.control);
  for (const path of record.outputs) {
    const name = path.split(/[/\\]/).at(-1) ?? path;
    terminal.wrote(path, FILES[name] ?? 'configuration');
  }
  if (record.model.data) terminal.wrote(record.model.data.path, "the model's external data");
  terminal.print(documentOf(record), record, finishText);
  return record.improved ? 0 : 1;
}
