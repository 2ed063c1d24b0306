import { extname } from 'node:path';
import type { Options } from 'yargs';
import { TemperError, writeFileAtomic } from '../../src/core/index.ts';
import { htmlReport, markdownReport, type Page } from '../../src/report/index.ts';
import { grouped } from './option-values.ts';

const FORMATS: Readonly<Record<string, (page: Page) => string>> = {
  '.html': htmlReport,
  '.htm': htmlReport,
  '.md': markdownReport,
};

/** What every command that measures has. */
export const REPORT = grouped('Output:', {
  report: { type: 'string', describe: 'Report as one .html file that needs nothing else, or as .md' },
} as const satisfies Record<string, Options>);

/** @throws TemperError USAGE for an ending that names no format; ask before the work */
export function reportFormat(path: string): (page: Page) => string {
  const format = FORMATS[extname(path).toLowerCase()];
  if (format) return format;
  throw new TemperError('USAGE', `--report ${path}: the ending names no format`, {
    hint: `Let it end with ${Object.keys(FORMATS).join(', ')}.`,
  });
}

/** Writes a report in the format that its ending names. @throws TemperError USAGE, OUTPUT_EXISTS, OUTPUT_WRITE */
export function writeReport(path: string, page: Page, force: boolean): void {
  writeFileAtomic(path, reportFormat(path)(page), { force });
}

/** Characters that no shell gives a meaning. */
const PLAIN_WORD = /^[\w@%+=:,./-]+$/;

function quoted(word: string): string {
  return PLAIN_WORD.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The command line that was given, quoted for a shell. */
export function commandLine(name: string, args: readonly string[] = process.argv.slice(2)): string {
  const words = args[0] === name ? args.slice(1) : args;
  return [name, ...words].map(quoted).join(' ');
}
