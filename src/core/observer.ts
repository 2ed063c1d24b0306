/** A piece of work whose end is known. */
export interface Progress {
  /** @param done of the total, so far */
  update(done: number): void;
  end(): void;
}

/** Who is told what a job does while it runs: a terminal, a log, a test. Absent members are not told. */
export interface Observer {
  /** Something worth knowing that is no error: a default that was taken, an image that was left out. */
  readonly note?: (text: string) => void;
  /** Called when a piece of work begins. @param total what `update` counts to: images, bytes, epochs */
  readonly progress?: (label: string, total: number) => Progress;
}

/** How a job is watched and stopped; none of it changes the result. */
export interface JobControl {
  readonly observer?: Observer | undefined;
  /** Aborting it ends the job with the signal's reason; what was not published is removed. */
  readonly signal?: AbortSignal | undefined;
}

/** {@link JobControl} with nothing absent: what the inside of a job passes on. */
export interface Control {
  readonly note: (text: string) => void;
  readonly progress: (label: string, total: number) => Progress;
  readonly signal: AbortSignal;
}

/** Says each text once: jobs and passes of one run meet the same things again. */
export function noteOnce(note: Control['note']): Control['note'] {
  const said = new Set<string>();
  return (text) => {
    if (!said.has(text)) note(text);
    said.add(text);
  };
}

const SILENT: Progress = { update: () => undefined, end: () => undefined };

/** Fills in who does not listen. */
export function controlOf({ observer = {}, signal = new AbortController().signal }: JobControl = {}): Control {
  return {
    note: (text) => observer.note?.(text),
    progress: (label, total) => observer.progress?.(label, total) ?? SILENT,
    signal,
  };
}
