import { TemperError, version } from '../core/index.ts';
import type { FinishOptions } from './options.ts';
import { completeSettings, type Made, readRecipe } from './recipe.ts';
import type { Settings } from './settings.ts';

/** The settings of a run, and what an earlier one found with the same inputs. */
export interface ResolvedSettings {
  readonly settings: Settings;
  /** Absent where other inputs or images are given: what was found of the earlier ones says nothing. */
  readonly made: Made | undefined;
  /** What is to be said of the recipe. */
  readonly notes: readonly string[];
}

/** The members that are given. */
function given<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

const INPUT_OPTIONS = ['pattern', 'state', 'template', 'templateOf', 'order', 'start', 'end', 'every'] as const;

function inputsOf(options: FinishOptions, before: Settings['inputs'] | undefined) {
  const { inputs, allowDuplicates } = options;
  const chosen = Object.fromEntries(INPUT_OPTIONS.map((name) => [name, options[name]]));
  // Other inputs have nothing to do with the recipe's pattern and template.
  return { ...(inputs ? {} : before), ...given({ paths: inputs, allowDuplicates, ...chosen }) };
}

/** A whole transform is no setting: its parts are. */
function settingsOf(options: FinishOptions, before: Settings | undefined): Settings {
  const { train, val, test, transform, trainSize, include, bn, sizes, maxGmacs, maxLatencyRatio, fixRes } = options;
  const { calibrate, device, threads, batch, input, output, memory, seed, onBadImage, writeConfig } = options;
  const named = [
    ['inputs', options.inputs ?? before?.inputs, 'Name a folder of snapshots, or the files.'],
    ['val', val ?? before?.val, 'Give `val` SRC: labelled images that the network was not trained on.'],
  ] as const;
  for (const [name, value, hint] of named)
    if (value === undefined) throw new TemperError('USAGE', `no \`${name}\` is named`, { hint });
  const plain = (set: FinishOptions['val']) => set && given(set);
  return completeSettings({
    ...before,
    ...given({ train: plain(train), val: plain(val), test: plain(test), trainSize, include, bn, sizes }),
    ...given({ maxGmacs, maxLatencyRatio, fixRes, calibrate, device, threads, batch, input, output, memory }),
    ...given({ seed, onBadImage, writeConfig }),
    inputs: inputsOf(options, before?.inputs),
    transform: { ...before?.transform, ...(transform && given(transform)) },
  });
}

/** What is needed together. @throws TemperError USAGE */
function assertTogether(settings: Settings): void {
  const { fixRes, train, sizes, maxGmacs, maxLatencyRatio } = settings;
  if (fixRes && !train) {
    throw new TemperError('USAGE', '`fixRes` needs images to tune on', { hint: 'Give `train` SRC.' });
  }
  const limit = maxGmacs === undefined ? (maxLatencyRatio === undefined ? undefined : 'maxLatencyRatio') : 'maxGmacs';
  if (limit !== undefined && sizes.length === 0) {
    throw new TemperError('USAGE', `\`${limit}\` restricts sizes, and no \`sizes\` are tried`, {
      hint: 'Leave one of the two out.',
    });
  }
}

/** @throws TemperError USAGE, INPUT_*, FORMAT_* */
export function resolveSettings(options: FinishOptions): ResolvedSettings {
  const recipe = options.recipe === undefined ? undefined : readRecipe(options.recipe);
  const settings = settingsOf(options, recipe?.settings);
  assertTogether(settings);
  const isSame = (['inputs', 'train', 'val', 'test', 'pattern', 'start', 'end', 'every', 'order'] as const).every(
    (name) => options[name] === undefined,
  );
  const made = isSame ? recipe?.made : undefined;
  const isOther = made !== undefined && recipe?.version !== version;
  return {
    settings,
    made,
    notes: isOther
      ? [`${options.recipe}: written by onnx-temper ${recipe?.version}, this is ${version}: the result may differ`]
      : [],
  };
}
