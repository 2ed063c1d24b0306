import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { reportFormat, writeReport } from '../../../../cli/shared/report-file.ts';
import { TemperError } from '../../../../src/core/index.ts';
import { SAMPLE_PAGE } from '../../../support/sample-page.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

test('the ending names the format; another is refused before any work', () => {
  const folder = tempFolder();
  writeReport(join(folder, 'a.HTML'), SAMPLE_PAGE, false);
  writeReport(join(folder, 'a.md'), SAMPLE_PAGE, false);
  assert.match(readFileSync(join(folder, 'a.HTML'), 'utf8'), /^<!doctype html>/);
  assert.match(readFileSync(join(folder, 'a.md'), 'utf8'), /^# /);
  const code = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      if (error instanceof TemperError) return error.code;
    }
    return 'none';
  };
  assert.equal(
    code(() => reportFormat('report.pdf')),
    'USAGE',
  );
  assert.equal(
    code(() => reportFormat('report')),
    'USAGE',
  );
  assert.equal(
    code(() => writeReport(join(folder, 'a.md'), SAMPLE_PAGE, false)),
    'OUTPUT_EXISTS',
  );
});
