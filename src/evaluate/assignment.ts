/**
 * The one-to-one assignment of rows to columns with the largest sum: the Hungarian method with potentials (Kuhn 1955; Jonker and
 * Volgenant 1987), rows added one at a time by shortest augmenting paths. Time: rows² · columns.
 * @param gains [rows][columns], no more rows than columns
 * @returns the column of each row
 */
export function bestAssignment(gains: readonly ArrayLike<number>[]): Int32Array {
  const rows = gains.length;
  const columns = gains[0]?.length ?? 0;
  // Places count from 1; column 0 stands for "none yet".
  const ofRow = new Float64Array(rows + 1);
  const ofColumn = new Float64Array(columns + 1);
  const rowAt = new Int32Array(columns + 1);
  for (let row = 1; row <= rows; row++) {
    const cameFrom = new Int32Array(columns + 1);
    const slack = new Float64Array(columns + 1).fill(Number.POSITIVE_INFINITY);
    const done = new Uint8Array(columns + 1);
    rowAt[0] = row;
    let column = 0;
    while (rowAt[column] !== 0) {
      done[column] = 1;
      const at = rowAt[column] as number;
      let [delta, next] = [Number.POSITIVE_INFINITY, 0];
      for (let c = 1; c <= columns; c++) {
        if (done[c]) continue;
        const reduced = -(gains[at - 1]?.[c - 1] ?? 0) - (ofRow[at] as number) - (ofColumn[c] as number);
        if (reduced < (slack[c] as number)) [slack[c], cameFrom[c]] = [reduced, column];
        if ((slack[c] as number) < delta) [delta, next] = [slack[c] as number, c];
      }
      for (let c = 0; c <= columns; c++) {
        if (done[c]) {
          const r = rowAt[c] as number;
          ofRow[r] = (ofRow[r] as number) + delta;
          ofColumn[c] = (ofColumn[c] as number) - delta;
        } else slack[c] = (slack[c] as number) - delta;
      }
      column = next;
    }
    while (column !== 0) {
      const before = cameFrom[column] as number;
      rowAt[column] = rowAt[before] as number;
      column = before;
    }
  }
  const columnOf = new Int32Array(rows);
  for (let c = 1; c <= columns; c++) if (rowAt[c]) columnOf[(rowAt[c] as number) - 1] = c - 1;
  return columnOf;
}
