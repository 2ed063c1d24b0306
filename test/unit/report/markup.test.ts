import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constantMarkup, type Markup, markup, markupText } from '../../../src/report/markup.ts';

test('text in a template is escaped, markup is not, lists are joined, undefined is nothing', () => {
  const inner = markup`<b>${'<&>"\''}</b>`;
  const outer = markup`<p title="${'"'}">${[inner, 'a<b', 5, undefined]}</p>`;
  assert.equal(markupText(outer), '<p title="&quot;"><b>&lt;&amp;&gt;&quot;&#39;</b>a&lt;b5</p>');
  assert.equal(markupText(markup`${constantMarkup('<!-- as it is -->')}`), '<!-- as it is -->');
});

test('backslashes in templates are kept as JavaScript reads them, in values as they are', () => {
  assert.equal(markupText(markup`a\n${'\\n'}`), 'a\n\\n');
});

test('what reverses or hides text is shown as an escape', () => {
  assert.equal(markupText(markup`${'a\u202eb\u0000\u001b\ud800'}`), 'a\\u202eb\\u0000\\u001b\\ud800');
  assert.equal(markupText(markup`${'\ufffe'}`), '\ufffd');
});

test('an object from JSON cannot pass for markup', () => {
  const forged = JSON.parse('{"markup":"<script>","text":"<script>"}') as Markup;
  assert.throws(() => markup`${forged}`, TypeError);
});
