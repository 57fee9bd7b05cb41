// The whole product on real parts: a real node, real Neo4j servers behind Services, the real tools, and the operator as a
// Pod that the chart installed. The stories follow one another on one cluster; the release's own come last.
import { afterAll, beforeAll } from 'vitest';
import { firstBackups, prunedLogs } from './backups.ts';
import { theDestination, theNamespace, theSource, theTool } from './failures.ts';
import { fileSystems } from './file-systems.ts';
import { generationA } from './generation-a.ts';
import { helmWait } from './helm-wait.ts';
import { theRelease } from './release.ts';
import { restores } from './restore.ts';
import { scheduleOfEveryMinute, schedulesGoOn, suspendedSchedules } from './schedule.ts';
import { theVolume } from './volume.ts';
import { endWorld, startWorld } from './world.ts';

beforeAll(startWorld);
afterAll(endWorld);

firstBackups();
prunedLogs();
generationA();
restores();
fileSystems();
scheduleOfEveryMinute();
suspendedSchedules();
theSource();
theTool();
theDestination();
theNamespace();
schedulesGoOn();
helmWait();
theVolume();
theRelease();
