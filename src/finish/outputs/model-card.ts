import { basename } from 'node:path';
import { version } from '../../core/index.ts';
import { escapeMarkdown, formatNumber } from '../../report/index.ts';
import { yamlText } from '../recipe-yaml.ts';
import { decisionText, type FinishRecord } from '../record.ts';
import type { UsedModel } from '../used-model.ts';
import { usageSnippets } from './usage.ts';

/** What Hugging Face calls the numbers of a row. */
const METRICS = [
  { field: 'top1', type: 'accuracy', name: 'top-1' },
  { field: 'top5', type: 'top-5 accuracy', name: 'top-5' },
  { field: 'nll', type: 'nll', name: 'NLL' },
  { field: 'ece15', type: 'ece', name: 'ECE, 15 bins' },
] as const;

function frontMatter({ read, final }: FinishRecord): string {
  const row = final.rows.at(-1) ?? {};
  const { test, val } = read.settings;
  const source = basename((test ?? val).source);
  return yamlText({
    library_name: 'onnx',
    pipeline_tag: 'image-classification',
    tags: ['onnx', 'onnxruntime', 'image-classification', 'onnx-temper'],
    'model-index': [
      {
        name: 'model',
        results: [
          {
            task: { type: 'image-classification' },
            dataset: { name: source, type: source, split: test ? 'test' : 'validation' },
            metrics: METRICS.flatMap(({ field, type, name }) =>
              typeof row[field] === 'number' ? [{ type, name, value: row[field] }] : [],
            ),
          },
        ],
      },
    ],
  });
}

function scoresTable({ final }: FinishRecord): string {
  const percent = (value: unknown): string => formatNumber(Number(value), { percent: true });
  const rows = final.rows.map(
    (row) =>
      `| ${escapeMarkdown(String(row.stage))} | ${percent(row.top1)} (${percent(row.top1_lo)} to ${percent(row.top1_hi)}) | ${percent(row.top5)} | ${formatNumber(Number(row.nll), { digits: 4 })} | ${formatNumber(Number(row.ece15), { digits: 4 })} |`,
  );
  return ['| model | top-1 % (95 %) | top-5 % | NLL | ECE |', '| --- | ---: | ---: | ---: | ---: |', ...rows].join(
    '\n',
  );
}

/** A Hugging Face model card: front matter with `model-index`, what was found, how to run it. No time, no path of this machine. */
export function modelCard(record: FinishRecord, used: UsedModel | undefined): string {
  const { read, steps, final, text } = record;
  const { sets, snapshots } = read;
  const snippets = (used ? usageSnippets(used) : []).flatMap(({ language, caption, text: code }) => [
    `${caption}:`,
    `\`\`\`${language}\n${code}\n\`\`\``,
  ]);
  return [
    `---\n${frontMatter(record)}---`,
    '# model.onnx',
    `${escapeMarkdown(text)}.`,
    `Measured on ${String(final.rows[0]?.n_images)} images that no step has seen; ${sets.choosing.images} others chose.`,
    scoresTable(record),
    '## What was done',
    steps.map((one) => `- ${escapeMarkdown(decisionText(one))}`).join('\n'),
    `From ${snapshots.length} snapshots, by onnx-temper ${version} (\`recipe.yaml\` runs it again).`,
    ...(snippets.length > 0 ? ['## How to use it', ...snippets] : []),
    ...(final.classNames.length > 0 ? ['## Classes', escapeMarkdown(final.classNames.join(', '))] : []),
    '',
  ].join('\n\n');
}
