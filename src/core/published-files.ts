/** A file that was published. */
export interface PublishedFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

type Tell = (file: PublishedFile) => void;

const watchers = new Set<Tell>();

/** Tells of every file that this thread publishes, until the function that is returned is called. */
export function watchPublished(tell: Tell): () => void {
  watchers.add(tell);
  return () => {
    watchers.delete(tell);
  };
}

/** @param describe asked only if somebody watches */
export function tellPublished(describe: () => PublishedFile): void {
  if (watchers.size === 0) return;
  const file = describe();
  for (const tell of watchers) tell(file);
}
