/**
 * Records to CSV, Markdown, HTML and SVG. Everything here is a pure function: the same data give the same bytes, and no
 * string of the data can become markup.
 *
 * A command describes its report as a `Page`, which is plain data: a title, the answer in a sentence, the exact command,
 * sections of paragraphs (strings), verdicts, tables (rows as in CSV, and how to show them) and charts, and provenance
 * (`factsOf` makes it from rows). `htmlReport(page)` and `markdownReport(page)` write it, `chartSvg(chart)` one of its
 * pictures. In a command, `--report` is one line: `writeReport(args.report, page, args.force)` of cli/shared/report-file.ts.
 *
 *     const page: Page = {
 *       title: 'swa.onnx at 9 test sizes',
 *       summary: 'Test at 160 px: 76.1 % (75.9 to 76.3), the best within noise at half the cost.',
 *       command: commandLine('res-sweep'),
 *       sections: [
 *         { heading: 'Accuracy', parts: [
 *           {
 *             kind: 'lines',
 *             title: 'Top-1 by test size',
 *             description: 'Rises to 160 px, and falls beyond.',
 *             x: { label: 'test size', unit: 'px', ticks: [128, 160, 192] },
 *             y: { label: 'top-1', percent: true, digits: 1 },
 *             series: [{ name: 'as trained', points: [{ x: 128, y: 0.741, low: 0.739, high: 0.743 }] }],
 *             markers: [{ axis: 'x', at: 128, label: 'train size' }],
 *           },
 *           { kind: 'table', caption: '95 % Wilson intervals', columns: [
 *             { field: 'test_size', header: 'size', unit: 'px' },
 *             { field: 'top1', header: 'top-1', percent: true, interval: ['top1_lo', 'top1_hi'] },
 *           ], rows, highlight: [1] },
 *         ] },
 *       ],
 *       provenance: factsOf(rows, ['model_sha256', 'data_table_sha256', 'provider', 'version'], 'model'),
 *     };
 */
export type {
  Axis,
  Chart,
  ChartPoint,
  DotChart,
  Marker,
  Series,
} from './chart.ts';
export { chartSvg } from './charts/index.ts';
export { csvText, plainDecimal } from './csv.ts';
export { htmlReport } from './html-report.ts';
export { escapeMarkdown, markdownReport } from './markdown-report.ts';
export { formatNumber, type NumberFormat } from './number-format.ts';
export {
  type Column,
  type Fact,
  factsOf,
  type Page,
  type Part,
  type Section,
  type Table,
} from './page.ts';
export { cellText } from './table-cell.ts';
