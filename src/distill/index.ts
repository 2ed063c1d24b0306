export * from './export/index.ts';
export * from './jobs/index.ts';
export * from './run/index.ts';
export * from './score/index.ts';
export * from './store/index.ts';
