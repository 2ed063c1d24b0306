import { type Control, controlOf, type JobControl, noteOnce } from '../core/index.ts';

/** Jobs of one run meet the same things: each is said once. */
export function watchedBy(control: JobControl): Control {
  const watched = controlOf(control);
  return { ...watched, note: noteOnce(watched.note) };
}
