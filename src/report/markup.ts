import { printableLines } from '../core/index.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
/** XML forbids them, and they are no format characters that `printableLines` would show. */
const NONCHARACTERS = /[\ufffe\uffff]/g;

/** Text for XML and HTML, in content and in quoted attributes; controls and bidirectional overrides are written as \uXXXX. */
function escapeMarkup(text: string): string {
  return printableLines(text)
    .replace(/[&<>"']/g, (character) => ENTITIES[character] as string)
    .replace(NONCHARACTERS, '\ufffd');
}

const MADE_HERE = Symbol('markup');

/** Markup, as opposed to text. Only `markup` and `constantMarkup` make it: data from files cannot pass for it. */
export interface Markup {
  readonly [MADE_HERE]: string;
}

/** What may stand in a template: text (escaped), markup (as it is), lists; nothing for undefined. */
export type Content = Markup | string | number | undefined | readonly Content[];

function contentText(content: Content): string {
  if (content === undefined) return '';
  if (typeof content === 'number') return String(content);
  if (typeof content === 'string') return escapeMarkup(content);
  if (MADE_HERE in content) return content[MADE_HERE];
  return content.map(contentText).join('');
}

/** A template of markup, for HTML and SVG: every value in it that is not markup itself is escaped. */
export function markup(template: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return { [MADE_HERE]: String.raw({ raw: template }, ...values.map(contentText)) };
}

/** Markup that is a constant of the source: a style sheet, a script. */
export function constantMarkup(text: string): Markup {
  return { [MADE_HERE]: text };
}

export function markupText(content: Markup): string {
  return content[MADE_HERE];
}

/** A length for an attribute, in user units: tenths are below what a screen shows. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}
