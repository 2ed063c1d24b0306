export { type Cell, csvText, type FieldRow, plainDecimal } from './csv.ts';
export { type Dot, type DotPlot, dotPlotSvg } from './dot-plot.ts';
export { escapeMarkup } from './escape-markup.ts';
