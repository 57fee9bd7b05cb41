import { proof } from './proof.ts';

proof({
  version: '3.4.18',
  generation: 'B2',
  storeVersion: 'v0.A.9',
  older: { version: '3.3.5', full: 'FullBackupTaken', increment: 'IncrementalBackupTaken' },
  checksIncrements: true,
  incrementEndsOnFullDisk: true,
});
