/**
 * The script of a page: makes the headings of its tables buttons that sort by their column, upwards, downwards, then as
 * written. Rows of equal cells keep their order, empty cells come last. Without scripts, headings stay headings.
 */
export const PAGE_SCRIPT = `'use strict';
const compareText = new Intl.Collator('en', { numeric: true }).compare;
for (const table of document.querySelectorAll('table.sortable')) {
  const body = table.tBodies[0];
  const written = [...body.rows];
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...heading.childNodes);
    heading.append(button);
    const keyOf = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
    const numeric = written.every((row) => keyOf(row) === '' || row.cells[column].dataset.sort !== undefined);
    const compare = numeric ? (a, b) => a - b : compareText;
    button.addEventListener('click', () => {
      const before = heading.getAttribute('aria-sort');
      for (const other of headings) other.removeAttribute('aria-sort');
      if (before === 'descending') return body.append(...written);
      const sign = before === 'ascending' ? -1 : 1;
      heading.setAttribute('aria-sort', sign === 1 ? 'ascending' : 'descending');
      const full = written.filter((row) => keyOf(row) !== '');
      const empty = written.filter((row) => keyOf(row) === '');
      body.append(...full.sort((a, b) => sign * compare(keyOf(a), keyOf(b))), ...empty);
    });
  });
}`;
