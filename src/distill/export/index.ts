export { type ExportedFile, type ExportFiles, startExport, storeSettings } from './export-files.ts';
export { exportNpy, npyHeader } from './npy-export.ts';
export { exportParquet } from './parquet-export.ts';
export { archiveNames } from './tar-names.ts';
export { exportWebDataset, memberKey, type TarOf, tarByCount } from './webdataset-export.ts';
