import { extname } from 'node:path';
import { TemperError, writeFileAtomic } from '../../src/core/index.ts';
import { htmlReport, markdownReport, type Page } from '../../src/report/index.ts';

const FORMATS: Readonly<Record<string, (page: Page) => string>> = {
  '.html': htmlReport,
  '.htm': htmlReport,
  '.md': markdownReport,
};

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
