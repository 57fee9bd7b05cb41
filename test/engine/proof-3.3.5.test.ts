import { proof } from './proof.ts';

proof({
  version: '3.3.5',
  generation: 'B1',
  storeVersion: 'v0.A.8',
  older: { version: '3.0.7', full: 'ProtocolMismatch', increment: 'OlderVersion' },
  checksIncrements: true,
  incrementEndsOnFullDisk: true,
});
