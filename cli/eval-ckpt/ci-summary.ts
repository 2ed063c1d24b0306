import { appendFileSync } from 'node:fs';
import { writeError } from '../../src/core/index.ts';
import { markdownReport, type Page } from '../../src/report/index.ts';
import { SET_HEADING } from './set-table.ts';

/** Of a report, what answers first: scores and verdict, the comparison, other images. */
const isFirst = ({ heading }: Page['sections'][number], i: number): boolean =>
  i === 0 || (i === 1 && heading.startsWith('Against')) || heading === SET_HEADING;

/** Appends the head of a report to a file that others write to, such as GitHub's job summary. @throws TemperError OUTPUT_WRITE */
export function appendSummary(path: string, page: Page): void {
  const sections = page.sections.filter(isFirst);
  const provenance = page.provenance.filter(({ name }) => /^(data|n_images|version)/.test(name));
  try {
    appendFileSync(path, `${markdownReport({ ...page, sections, provenance })}\n`);
  } catch (error) {
    throw writeError(path, error);
  }
}
