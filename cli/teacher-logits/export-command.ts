import { exportTargets } from '../../src/distill/index.ts';
import type { Terminal } from '../shared/terminal.ts';
import { type ExportArguments, exportTargetsOptions } from './export-options.ts';

export async function exportStore(args: ExportArguments, terminal: Terminal): Promise<number> {
  const record = await exportTargets(exportTargetsOptions(args), terminal.control);
  const { out, bytes, files } = record;
  terminal.wrote(out, `${files.length} files and export.json`);
  terminal.print(record, out, (shown) => `${shown}  ${files.length} files  ${bytes} bytes\n`);
  return 0;
}
