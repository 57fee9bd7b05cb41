// `npm run test:time`: the suite `time`, and at its end a line for each campaign and one for all.
import { playCampaigns } from './campaigns.ts';

process.exitCode = await playCampaigns('time', process.argv.slice(2));
