/** More of what the default suite tries once: `npm run test:long`. */
const isLong = process.env.ONNX_TEMPER_LONG !== undefined;

/** For `skip`: absent in the long suite. */
export const onlyLong = isLong ? false : 'npm run test:long';

/** All in the long suite, else those named. */
export const atLeast = <T>(all: readonly T[], ...some: readonly T[]): readonly T[] =>
  isLong ? all : all.filter((item) => some.includes(item));
