// Stories in which the test plays the cluster, one act after the other.
import { campaigns } from './campaigns.ts';
import { scheduled } from './stories.ts';

campaigns(scheduled);
