// A line diff for people: what a longest common subsequence leaves, with -, + and the line numbers.

const MOST_CELLS = 16e6;
const MOST_LINES = 24;
const MOST_WIDTH = 200;

/** Lines of `before` and `after` that are not common to both. */
export function diffLines(before, after) {
  const [a, b] = [before, after].map((text) => text.split('\n').map((line, i) => ({ line, number: i + 1 })));
  while (a.length > 0 && b.length > 0 && a.at(-1).line === b.at(-1).line) {
    a.pop();
    b.pop();
  }
  const first = a.findIndex(({ line }, i) => line !== b[i]?.line);
  const start = first === -1 ? a.length : first;
  const lines = changes(a.slice(start), b.slice(start)).map(shorten);
  const more = lines.length - MOST_LINES;
  return [...lines.slice(0, MOST_LINES), ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
}

const removed = ({ line, number }) => `-${number}: ${line}`;
const added = ({ line, number }) => `+${number}: ${line}`;
const shorten = (line) =>
  line.length > MOST_WIDTH ? `${line.slice(0, MOST_WIDTH)}... (${line.length} characters)` : line;

function changes(a, b) {
  if (a.length * b.length > MOST_CELLS) return [removed(a[0]), added(b[0]), 'and what follows'];
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const [down, right] = [common[(i + 1) * width + j], common[i * width + j + 1]];
      common[i * width + j] = a[i].line === b[j].line ? common[(i + 1) * width + j + 1] + 1 : Math.max(down, right);
    }
  }
  const lines = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    if (i < a.length && j < b.length && a[i].line === b[j].line) {
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      lines.push(removed(a[i++]));
    } else lines.push(added(b[j++]));
  }
  return lines;
}
