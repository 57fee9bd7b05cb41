import { proof } from './proof.ts';

proof({
  version: '2.3.3',
  generation: 'A',
  storeVersion: 'v0.A.6',
  checksIncrements: false,
  incrementEndsOnFullDisk: false,
});
