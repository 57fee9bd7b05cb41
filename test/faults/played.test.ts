// Stories in which the cluster goes on by itself, whatever the operator is doing.
import { campaigns } from './campaigns.ts';
import { played } from './stories.ts';

campaigns(played);
