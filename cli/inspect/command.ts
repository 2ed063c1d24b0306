import { inspect as inspectFiles } from '../../src/inspect/index.ts';
import type { Terminal } from '../shared/terminal.ts';
import { inspectionDocument } from './document.ts';
import { type InspectArguments, inspectOptions } from './options.ts';
import { inspectionText } from './text.ts';

export async function inspect(args: InspectArguments, terminal: Terminal): Promise<number> {
  const record = await inspectFiles(inspectOptions(args), terminal.control);
  terminal.print(inspectionDocument(record), record, inspectionText);
  return record.exitCode;
}
