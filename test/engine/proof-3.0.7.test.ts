import { proof } from './proof.ts';

proof({
  version: '3.0.7',
  generation: 'A',
  storeVersion: 'v0.A.7',
  older: { version: '2.3.3', full: 'ProtocolMismatch', increment: 'OlderVersion' },
  checksIncrements: false,
  incrementEndsOnFullDisk: true,
});
