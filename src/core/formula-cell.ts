/** What a spreadsheet takes for a formula when a cell begins with it (OWASP, CSV injection), full-width forms included. */
const FORMULA = '[=+\\-@\\t\\r\\uff1d\\uff0b\\uff0d\\uff20]';
const BEGINS = new RegExp(`^${FORMULA}`);
const GUARDED = new RegExp(`^'(?=${FORMULA})`);

/** Text of a cell that a spreadsheet leaves alone: an apostrophe stands before what would be a formula. */
export const inertCell = (text: string): string => (BEGINS.test(text) ? `'${text}` : text);

/** What such a cell says. */
export const saidByCell = (cell: string): string => cell.replace(GUARDED, '');
