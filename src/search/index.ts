export type { CandidateOptions } from './candidate-options.ts';
export { expectedWork } from './expected-work.ts';
export { DEFAULT_MEMORY_BYTES } from './memory-shares.ts';
export { FAMILIES, type Family, linearRecipes } from './recipes.ts';
export { isSearchResult } from './results-cache.ts';
export type { BnMode } from './scorer.ts';
export { type SearchOptions, searchAverages } from './search-job.ts';
export type { SearchedCandidate, SearchRecord } from './search-record.ts';
export { type SwagOptions, type SwagRecord, swag } from './swag-job.ts';
