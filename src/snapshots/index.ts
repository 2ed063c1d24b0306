export { DEFAULT_PATTERN, expandInputs } from './expand-inputs.ts';
