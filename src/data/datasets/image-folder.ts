import { join } from 'node:path';
import { TemperError } from '../../core/index.ts';
import type { SampleSource } from './dataset.ts';
import { readWholeFile } from './file-ranges.ts';
import { describeOthers, IMAGE_EXTENSIONS, listFolder, walkImages } from './image-files.ts';

function noImages(path: string, found: string): TemperError {
  return new TemperError('INPUT_TOO_FEW', `${path}: no images; found ${found}`, {
    hint: `Images are files that end in ${IMAGE_EXTENSIONS.join(', ')}.`,
    details: { path },
  });
}

function imageFiles(format: 'folder' | 'flat', root: string, keys: readonly string[]): SampleSource {
  return {
    format,
    path: root,
    kind: 'encoded',
    length: keys.length,
    keys,
    describeRow: (row) => `row ${row}`,
    async read(row) {
      const path = join(root, keys[row] as string);
      return { kind: 'encoded', bytes: await readWholeFile(path), path };
    },
  };
}

/**
 * A folder of class folders: torchvision's ImageFolder, with its order, its extensions and its refusal of empty
 * classes. Files beside the class folders are not looked at. Empty class folders are left out where their absence moves no label.
 * @param numbered whether a class map or the folders' names give the indices
 * @throws TemperError INPUT_TOO_FEW
 */
export function openImageFolder(root: string, numbered: boolean): SampleSource {
  const { folders, files } = listFolder(root);
  const keys: string[] = [];
  const labels: number[] = [];
  const empty: string[] = [];
  for (const [index, folder] of folders.entries()) {
    const { images } = walkImages(root, folder);
    if (images.length === 0) empty.push(folder);
    for (const image of images) {
      keys.push(image);
      labels.push(index);
    }
  }
  if (keys.length === 0) throw noImages(root, `${folders.length} folders and ${files.length} files`);
  if (empty.length > 0 && !numbered) {
    throw new TemperError('INPUT_TOO_FEW', `${root}: no images in class folder ${empty.slice(0, 5).join(', ')}`, {
      hint: 'Remove the folder if it is no class; if it is one, number the classes with `classes` FILE.',
      details: { path: root, empty },
    });
  }
  const names = { from: 'the folder name', names: folders, namesFrom: 'names' as const };
  return { ...imageFiles('folder', root, keys), labels: { ...names, values: Int32Array.from(labels) } };
}

/**
 * A folder of images without labels, folders in it included.
 * @throws TemperError INPUT_TOO_FEW
 */
export function openFlatFolder(root: string): SampleSource {
  const { images, others } = walkImages(root, '');
  if (images.length === 0) throw noImages(root, describeOthers(others));
  return { ...imageFiles('flat', root, images), unlabelled: 'a flat folder has no labels' };
}
