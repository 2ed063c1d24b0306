import { swag as runSwag, type SwagRecord } from '../../src/search/index.ts';
import { flagText } from '../shared/flag-text.ts';
import { readingDocument } from '../shared/reading-document.ts';
import type { Terminal } from '../shared/terminal.ts';
import { type SwagArguments, swagOptions } from './swag-options.ts';
import { swagText } from './swag-text.ts';

/** The JSON document. */
function swagDocument({ seed, rank, covarianceScale, samples, ...record }: SwagRecord) {
  return {
    seed,
    rank,
    scale: covarianceScale,
    samples,
    snapshots: record.snapshots,
    recalibrated_layers: record.recalibratedLayers,
    models: record.models?.map(({ fields }) => fields) ?? null,
    reading: record.reading ? readingDocument(record.reading) : null,
    warnings: record.warnings.map(flagText),
    outputs: record.outputs.map((output) => ({ ...output, data: output.data ?? null })),
  };
}

export async function swag(args: SwagArguments, terminal: Terminal): Promise<number> {
  const record = await runSwag(swagOptions(args), terminal.control);
  for (const [i, { path, data }] of record.outputs.entries()) {
    terminal.wrote(path, `sample ${i + 1} of ${record.samples}`);
    if (data) terminal.wrote(data.path, 'its weights');
  }
  terminal.print(swagDocument(record), record, swagText);
  return 0;
}
