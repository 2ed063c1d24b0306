import type { Progress } from '../../src/core/index.ts';

/** Redraws of a bar on a terminal, and lines elsewhere. */
const REDRAW_MS = 100;
const LINE_MS = 10_000;
const BAR_WIDTH = 30;
/** A bar, its share and the time left need so many columns beside the label. */
const BAR_COLUMNS = BAR_WIDTH + 20;

/** Whether stderr can redraw a line of this width: terminals that say they cannot, or are too narrow, get plain lines. */
function redraws(label: string): boolean {
  const { TERM, NO_COLOR } = process.env;
  const { isTTY, columns } = process.stderr;
  return isTTY && TERM !== 'dumb' && !NO_COLOR && label.length + BAR_COLUMNS <= columns;
}

/** Shows progress on stderr: a bar on a terminal, a plain line every ten seconds elsewhere, nothing with --quiet. */
export function progress(label: string, total: number, quiet: boolean): Progress {
  const { stderr } = process;
  const start = performance.now();
  const bar = redraws(label);
  let last = start;
  let drawn = false;
  return {
    update(done) {
      const now = performance.now();
      if (quiet || total === 0 || now - last < (bar ? REDRAW_MS : LINE_MS)) return;
      last = now;
      const share = Math.min(1, done / total);
      const seconds = (now - start) / 1000;
      const rest = share > 0 ? `${Math.ceil(seconds / share - seconds)} s left` : '';
      if (bar) {
        const full = Math.round(share * BAR_WIDTH);
        const blocks = `${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)}`;
        stderr.write(`\r${label} ${blocks} ${Math.round(share * 100)} %  ${rest}\u001b[K`);
        drawn = true;
      } else stderr.write(`${label} ${Math.round(share * 100)} %, ${rest}\n`);
    },
    end() {
      if (drawn) stderr.write('\r\u001b[K');
    },
  };
}
