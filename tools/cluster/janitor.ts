// A program that waits for the end of the process that started it, however that comes (SIGKILL included), and then
// tears the cluster down. That process holds the other end of its standard input; a word on it means: not needed.
import { text } from 'node:stream/consumers';
import { releaseName } from './registry.ts';
import { tearDown } from './teardown.ts';

const [, , folder = ''] = process.argv;
if ((await text(process.stdin)) === '') {
  await tearDown(folder);
  releaseName(folder);
}
