/** CPU milliseconds that `run` takes: what a loaded machine does to the clock on the wall does not count. */
export function cpuMs(run: () => void): number {
  const start = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}
