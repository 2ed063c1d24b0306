const RUNS = /\d+|\D+/g;

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareDigits(a: string, b: string): number {
  const [x, y] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')];
  return x.length - y.length || compareText(x, y);
}

/**
 * Natural order: runs of digits compare as numbers of any length, other runs by code unit, digits before text;
 * `epoch_9` < `epoch_10`. Names that differ in leading zeros alone compare by code unit, so the order is total.
 */
export function compareNatural(a: string, b: string): number {
  const [runsA, runsB] = [a.match(RUNS) ?? [], b.match(RUNS) ?? []];
  for (let i = 0; i < Math.min(runsA.length, runsB.length); i++) {
    const [x, y] = [runsA[i] as string, runsB[i] as string];
    const [digitsX, digitsY] = [/^\d/.test(x), /^\d/.test(y)];
    if (digitsX !== digitsY) return digitsX ? -1 : 1;
    const order = digitsX ? compareDigits(x, y) : compareText(x, y);
    if (order !== 0) return order;
  }
  return runsA.length - runsB.length || compareText(a, b);
}
