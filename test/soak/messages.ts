/** A file that was neither read nor refused with a typed error. */
export interface FileFault {
  /** Sort and name. */
  readonly target: string;
  readonly seed: number;
  /** How the file was broken. */
  readonly what: string;
  readonly file: string;
  /** The broken file, as base64. */
  readonly bytes: string;
  readonly error: string;
}

/** What the child that breaks files tells. */
export type BrokenFiles =
  | { readonly fault: FileFault }
  | {
      readonly kind: string;
      readonly target: string;
      readonly outcomes: Readonly<Record<string, number>>;
      /** The seed at which the target goes on. */
      readonly next: number;
    };

/** Numbers of a run, by sort of file or of trouble. */
export type Counts = Record<string, Record<string, number>>;
