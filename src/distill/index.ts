export * from './run/index.ts';
export * from './store/index.ts';
