export { BayesianAverage } from './bayesian-average.ts';
export { candidateBytes, type Ingredients, makeCandidates } from './candidate-weights.ts';
export { CandidateEvaluator, type NamedCandidate, statisticSlots } from './evaluator.ts';
export { inMemory, prepareModel, valuesAt } from './prepared-model.ts';
export { FAMILIES, type Family, linearRecipes, type Recipe } from './recipes.ts';
export { Repairer } from './repair.ts';
export { type Replay, replay } from './replay.ts';
export { openResultsCache } from './results-cache.ts';
export { BN_MODES, type BnMode, type Evaluated, type Reported, type SearchResult, searchAverages } from './search.ts';
