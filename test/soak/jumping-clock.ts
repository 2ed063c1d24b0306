/** Loaded before a program: its clock jumps back and forth by up to a year, at every look. `?seed=N` tells which jumps. */
import { seededInts } from '../support/mutate-bytes.ts';

const YEAR_MS = 365 * 24 * 3_600_000;
const int = seededInts(Number(new URL(import.meta.url).searchParams.get('seed') ?? 0));
const RealDate = Date;
const jumped = (): number => RealDate.now() + int(2 * YEAR_MS) - YEAR_MS;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: [], newTarget) =>
    Reflect.construct(target, args.length === 0 ? [jumped()] : args, newTarget) as Date,
  get: (target, name) => (name === 'now' ? jumped : (Reflect.get(target, name) as unknown)),
});
