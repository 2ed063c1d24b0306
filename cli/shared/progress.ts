/** Redraws of a bar on a terminal, and lines elsewhere. */
const REDRAW_MS = 100;
const LINE_MS = 10_000;
const WIDTH = 30;

export interface Progress {
  update(done: number): void;
  end(): void;
}

/** Shows progress on stderr: a bar on a terminal, a plain line every ten seconds elsewhere, nothing with --quiet. */
export function progress(label: string, total: number, quiet: boolean): Progress {
  const { stderr } = process;
  const start = performance.now();
  let last = start;
  let drawn = false;
  return {
    update(done) {
      const now = performance.now();
      if (quiet || total === 0 || now - last < (stderr.isTTY ? REDRAW_MS : LINE_MS)) return;
      last = now;
      const share = Math.min(1, done / total);
      const seconds = (now - start) / 1000;
      const rest = share > 0 ? `${Math.ceil(seconds / share - seconds)} s left` : '';
      if (stderr.isTTY) {
        const full = Math.round(share * WIDTH);
        stderr.write(
          `\r${label} ${'█'.repeat(full)}${'░'.repeat(WIDTH - full)} ${Math.round(share * 100)} %  ${rest}\u001b[K`,
        );
        drawn = true;
      } else stderr.write(`${label} ${Math.round(share * 100)} %, ${rest}\n`);
    },
    end() {
      if (drawn) stderr.write('\r\u001b[K');
    },
  };
}
