// The contract of our kind, on the fake.
import { kindContract } from '../contract/kind.ts';
import { FakeKube } from './fake-kube.ts';

kindContract('the fake', async () => ({ client: new FakeKube(), namespace: 'contract' }));
