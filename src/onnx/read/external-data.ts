import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { readError, TemperError } from '../../core/index.ts';

function refused(
  modelPath: string,
  location: string,
  why: string,
  hint = "Put the data file into the model's folder and export again.",
): TemperError {
  return new TemperError(
    'FORMAT_EXTERNAL_DATA',
    `${modelPath}: external data at ${JSON.stringify(location)} ${why}, expected a path inside the model's folder`,
    { hint, details: { path: modelPath, location } },
  );
}

/** Whether a real path lies in a folder, or below it. */
function inside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/**
 * The path of an external data file, once it is sure to lie in the model's folder: by its text (no absolute path,
 * no `..`, no drive), and by its real path (no symbolic link that leaves). Of a model that is a link itself, the folder of the
 * real file is the model's folder too: Hugging Face's cache keeps models and their data as links to `blobs/`. So
 * onnxruntime has it since 1.24.2.
 * @throws TemperError FORMAT_EXTERNAL_DATA, INPUT_NOT_FOUND
 */
export function resolveExternal(modelPath: string, location: string): string {
  const parts = location.split(/[/\\]/);
  if (location.includes('\0')) throw refused(modelPath, location, 'has a NUL in its name');
  if (isAbsolute(location) || /^[A-Za-z]:/.test(location) || parts[0] === '') {
    throw refused(modelPath, location, 'is an absolute path');
  }
  if (parts.includes('..')) throw refused(modelPath, location, 'climbs out with ".."');
  const path = join(dirname(modelPath), ...parts);
  let real: string;
  let folders: string[];
  try {
    folders = [realpathSync(dirname(modelPath)), dirname(realpathSync(modelPath))];
    real = realpathSync(path);
  } catch (error) {
    const missing = readError(path, error);
    throw new TemperError(missing.code, `${missing.message} (external data of ${modelPath})`, {
      hint: 'Keep the data file beside its model, under the name that the model gives.',
      details: { path, model: modelPath, location },
      cause: error,
    });
  }
  if (!folders.some((folder) => inside(folder, real))) {
    throw refused(
      modelPath,
      location,
      'is a symbolic link that leaves',
      'Copy the model and its data, as files, into one folder (cp -L follows links).',
    );
  }
  return path;
}
