import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { compareUtf8, readError } from '../../core/index.ts';

/** torchvision.datasets.folder.IMG_EXTENSIONS, compared with the end of the lower-case file name. */
export const IMAGE_EXTENSIONS = ['.jpg', '.jpeg', '.png', '.ppm', '.bmp', '.pgm', '.tif', '.tiff', '.webp'] as const;

export function isImageName(name: string): boolean {
  const lower = name.toLowerCase();
  return IMAGE_EXTENSIONS.some((extension) => lower.endsWith(extension));
}

export interface Listing {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

function isFolder(path: string, entry: Dirent): boolean {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  try {
    return statSync(path).isDirectory();
  } catch {
    // A dangling link is a file, as in Python's os.walk: reading it says what is wrong.
    return false;
  }
}

/** What tools leave behind: `.ipynb_checkpoints`, `.git`, `__MACOSX`, and macOS' companions `._photo.jpg`, which are no images. */
const isLitter = (name: string, folder: boolean): boolean =>
  folder ? name.startsWith('.') || name === '__MACOSX' : name.startsWith('._');

/**
 * The names in a folder, each list in UTF-8 byte order. Symbolic links count as what they point to; hidden folders and what
 * macOS adds to archives do not count.
 * @throws TemperError INPUT_NOT_FOUND, INPUT_UNREADABLE
 */
export function listFolder(path: string): Listing {
  let entries: Dirent[];
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch (error) {
    throw readError(path, error);
  }
  const folders: string[] = [];
  const files: string[] = [];
  for (const entry of entries) {
    const folder = isFolder(join(path, entry.name), entry);
    if (!isLitter(entry.name, folder)) (folder ? folders : files).push(entry.name);
  }
  return { folders: folders.sort(compareUtf8), files: files.sort(compareUtf8) };
}

export interface ImageWalk {
  /** Paths relative to the root with '/', by folder, then file name, each as UTF-8 bytes. */
  readonly images: string[];
  /** Files that are no images, counted by extension: for messages. */
  readonly others: Map<string, number>;
}

/**
 * Finds the images under `root/start`, as torchvision does: folders by their whole path, then file names.
 * Links to folders are followed, except back to a folder that the path has come through.
 * @param start relative to root, '' for the root itself
 */
export function walkImages(root: string, start: string): ImageWalk {
  const folders: { path: string; images: string[] }[] = [];
  const others = new Map<string, number>();
  const visit = (path: string, ancestors: readonly string[]): void => {
    const absolute = join(root, path);
    const real = realpathSync(absolute);
    if (ancestors.includes(real)) return;
    const listing = listFolder(absolute);
    folders.push({ path, images: listing.files.filter(isImageName) });
    for (const file of listing.files) {
      if (isImageName(file)) continue;
      const extension = /\.[^.]+$/.exec(file)?.[0] ?? file;
      others.set(extension, (others.get(extension) ?? 0) + 1);
    }
    for (const folder of listing.folders) visit(path === '' ? folder : `${path}/${folder}`, [...ancestors, real]);
  };
  visit(start, []);
  folders.sort((a, b) => compareUtf8(a.path, b.path));
  const images = folders.flatMap((folder) =>
    folder.images.map((image) => (folder.path === '' ? image : `${folder.path}/${image}`)),
  );
  return { images, others };
}

/** "3 .txt, 1 .gif", or "nothing". */
export function describeOthers(others: ReadonlyMap<string, number>): string {
  const counts = [...others].sort((a, b) => b[1] - a[1]).slice(0, 5);
  return counts.map(([extension, count]) => `${count} ${extension}`).join(', ') || 'nothing';
}
