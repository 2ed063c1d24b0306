import type { Markup } from '../markup.ts';

/** A chart laid out for a width. */
export interface Picture {
  readonly heightPx: number;
  readonly drawing: Markup;
}
