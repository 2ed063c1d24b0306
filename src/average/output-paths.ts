import { existsSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { assertFileName, TemperError } from '../core/index.ts';

/** Where averages go: one file, or a folder of files named by method. */
export interface Targets {
  /** The file of the one average. */
  readonly out?: string | undefined;
  /** A folder, made if it is missing, for `<average>.onnx` each. */
  readonly outDir?: string | undefined;
}

const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

/**
 * The files of averages.
 * @param names of the averages
 * @param ending of the files in a folder
 * @throws TemperError USAGE if none or both are named, for several averages in one file, for a folder that is a file and
 * the other way round
 */
export function outputPaths(names: readonly string[], { out, outDir }: Targets, ending = '.onnx'): string[] {
  if (out !== undefined && outDir !== undefined) {
    throw new TemperError('USAGE', '`out` and `outDir` exclude each other', { hint: 'Give one of them.' });
  }
  if (outDir) {
    if (existsSync(outDir) && !isFolder(outDir)) {
      throw new TemperError('USAGE', `\`outDir\` ${outDir}: is a file, expected a folder`, {
        hint: `Name a folder, or give \`out\` ${outDir} for one average.`,
      });
    }
    return names.map((name) => join(outDir, `${name}${ending}`));
  }
  if (!out) {
    throw new TemperError('USAGE', 'no output is named', {
      hint: `Give \`out\` swa${ending}, or \`outDir\` averages for several.`,
    });
  }
  if (names.length > 1) {
    throw new TemperError('USAGE', `these options make ${names.length} averages, \`out\` names one file`, {
      hint: `Give \`outDir\` ${basename(out, ending)} instead: a folder for ${names.map((name) => `${name}${ending}`).join(', ')}.`,
      details: { averages: names },
    });
  }
  if (isFolder(out)) {
    throw new TemperError('USAGE', `\`out\` ${out}: is a folder, expected a file`, {
      hint: `Give \`outDir\` ${out} instead, or name a file in it: \`out\` ${join(out, `${names[0]}${ending}`)}`,
    });
  }
  assertFileName(out);
  return [out];
}
