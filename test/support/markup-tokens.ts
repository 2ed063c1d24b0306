import assert from 'node:assert/strict';

/** An element as it was opened, and the text directly after it. */
export interface Element {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Text within, without that of elements within. */
  text: string;
}

const VOID = new Set(['meta', 'link', 'img']);
/** Their content is no markup. */
const RAW = new Set(['style', 'script']);
const TOKEN = /<!doctype html>|<(\/?)([A-Za-z][A-Za-z0-9]*)((?:\s+[A-Za-z][\w:-]*="[^"<]*")*)\s*(\/?)>|[^<]+/gy;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

/** Only the five entities that are written: a bare ampersand is an error. */
function decoded(text: string): string {
  return text.replace(/&([^;]*);?/g, (entity, name: string) => {
    const character = ENTITIES[name];
    assert.ok(character !== undefined && entity.endsWith(';'), `unescaped ampersand: ${text.slice(0, 80)}`);
    return character;
  });
}

/** Reads HTML or SVG that is also well-formed XML, strictly; any other text is an error. */
export function parseMarkup(source: string): Element[] {
  const elements: Element[] = [];
  const open: Element[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(source);
    assert.ok(match, `no markup: ${JSON.stringify(source.slice(start, start + 80))}`);
    const [token, closing, tag, attributes = '', selfClosing] = match;
    const inside = open.at(-1);
    if (tag === undefined) {
      if (token.startsWith('<!')) continue;
      if (inside) inside.text += decoded(token);
      else assert.match(token, /^\s*$/, 'text outside of all elements');
      continue;
    }
    if (closing) {
      assert.equal(open.pop()?.tag, tag, `</${tag}> closes another element`);
      continue;
    }
    const pairs = [...attributes.matchAll(/([A-Za-z][\w:-]*)="([^"]*)"/g)].map(([, name, value]) => [
      name,
      decoded(value ?? ''),
    ]);
    const element: Element = { tag, attributes: Object.fromEntries(pairs) as Record<string, string>, text: '' };
    assert.equal(Object.keys(element.attributes).length, pairs.length, `${token}: an attribute twice`);
    elements.push(element);
    if (RAW.has(tag)) {
      const end = source.indexOf(`</${tag}>`, TOKEN.lastIndex);
      element.text = source.slice(TOKEN.lastIndex, end);
      TOKEN.lastIndex = end + tag.length + 3;
    } else if (!selfClosing && !VOID.has(tag)) open.push(element);
  }
  assert.deepEqual(open, [], 'elements left open');
  return elements;
}
