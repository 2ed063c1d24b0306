import type { InspectedFile, InspectionRecord, Problem } from '../../src/inspect/index.ts';
import { flagText } from '../shared/flag-text.ts';
import { type Fact, readingDocument } from '../shared/reading-document.ts';

const problem = ({ code, message, hint }: Problem): Problem => ({
  code,
  message: flagText(message),
  hint: hint === null ? null : flagText(hint),
});

type FileDocument = Omit<InspectedFile, 'facts'> & { readonly facts: Readonly<Record<string, Fact>> };

function fileDocument({ facts, notes, contradictions, error, ...file }: InspectedFile): FileDocument {
  return {
    ...file,
    is: flagText(file.is),
    facts: readingDocument(facts),
    notes: notes.map(flagText),
    contradictions: contradictions.map(problem),
    error: error && problem(error),
  };
}

/** What --json prints (docs/columns.md). */
export function inspectionDocument({ files, data, exitCode }: InspectionRecord): object {
  return { files: files.map(fileDocument), data: data ? fileDocument(data) : null, exit_code: exitCode };
}
