import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { readError, TemperError } from '../../core/index.ts';

function refused(modelPath: string, location: string, why: string): TemperError {
  return new TemperError(
    'FORMAT_EXTERNAL_DATA',
    `${modelPath}: external data at ${JSON.stringify(location)} ${why}, expected a path inside the model's folder`,
    { hint: "Put the data file into the model's folder and export again.", details: { path: modelPath, location } },
  );
}

/**
 * The path of an external data file, once it is sure to lie inside the model's folder: by its text (no absolute path,
 * no `..`, no drive), and by its real path (no symbolic link that leaves).
 * @throws TemperError FORMAT_EXTERNAL_DATA, INPUT_NOT_FOUND
 */
export function resolveExternal(modelPath: string, location: string): string {
  const parts = location.split(/[/\\]/);
  if (location.includes('\0')) throw refused(modelPath, location, 'has a NUL in its name');
  if (isAbsolute(location) || /^[A-Za-z]:/.test(location) || parts[0] === '') {
    throw refused(modelPath, location, 'is an absolute path');
  }
  if (parts.includes('..')) throw refused(modelPath, location, 'climbs out with ".."');
  const folder = dirname(modelPath);
  const path = join(folder, ...parts);
  let real: string;
  try {
    real = relative(realpathSync(folder), realpathSync(path));
  } catch (error) {
    const missing = readError(path, error);
    throw new TemperError(missing.code, `${missing.message} (external data of ${modelPath})`, {
      hint: 'Keep the data file beside its model, under the name that the model gives.',
      details: { path, model: modelPath, location },
      cause: error,
    });
  }
  if (real === '..' || real.startsWith(`..${sep}`) || isAbsolute(real)) {
    throw refused(modelPath, location, 'is a symbolic link that leaves');
  }
  return path;
}
