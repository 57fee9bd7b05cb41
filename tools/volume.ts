// `npm run test:volume`: the suite `volume`, and at its end a line for each campaign and one for all.
import { playCampaigns } from './campaigns.ts';

process.exitCode = await playCampaigns('volume', process.argv.slice(2));
