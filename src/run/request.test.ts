import { describe, expect, test } from 'vitest';
import { aRequest } from '../../test/support/agent.ts';
import { parseRequest } from './request.ts';

describe('parseRequest', () => {
  test.each([
    { name: 'what the operator asks', over: {} },
    { name: 'a run that a trigger started', over: { triggerID: 'before-migration' } },
    { name: 'an address of IPv6', over: { source: { host: 'fd00::1', port: 6362 } } },
    { name: 'the longest names', over: { run: 'r'.repeat(63), path: 'p'.repeat(63) } },
    { name: 'as many Pods as there may be', over: { terminalPods: Array<string>(64).fill('a'.repeat(64)) } },
  ])('reads $name', ({ over }) => {
    expect(parseRequest(JSON.stringify(aRequest(over)))).toEqual(aRequest(over));
  });

  interface Case {
    readonly name: string;
    readonly over: Readonly<Record<string, unknown>>;
    readonly names: string;
  }
  const cases: readonly Case[] = [
    { name: 'another version', over: { schemaVersion: 2 }, names: 'schemaVersion' },
    { name: 'no run', over: { run: undefined }, names: 'run' },
    { name: 'an empty run', over: { run: '' }, names: 'run' },
    { name: 'a run of 64 characters', over: { run: 'r'.repeat(64) }, names: 'run' },
    { name: 'a run that is a path', over: { run: '../orders' }, names: 'run' },
    { name: 'the folder above', over: { path: '..' }, names: 'path' },
    { name: 'this folder', over: { path: '.' }, names: 'path' },
    { name: 'no folder', over: { path: '' }, names: 'path' },
    { name: 'an absolute path', over: { path: '/etc' }, names: 'path' },
    { name: 'two segments', over: { path: 'a/b' }, names: 'path' },
    { name: 'a path with a line after it', over: { path: 'orders\n' }, names: 'path' },
    { name: 'a path with a zero byte', over: { path: 'orders\0' }, names: 'path' },
    {
      name: 'a host that is an option',
      over: { source: { host: '--from', port: 6362 } },
      names: 'source.host',
    },
    { name: 'a host with a command', over: { source: { host: '$(id)', port: 6362 } }, names: 'source.host' },
    {
      name: 'a host with a second line',
      over: { source: { host: 'a\nb', port: 6362 } },
      names: 'source.host',
    },
    { name: 'port 0', over: { source: { host: 'a', port: 0 } }, names: 'source.port' },
    { name: 'port 65536', over: { source: { host: 'a', port: 65_536 } }, names: 'source.port' },
    { name: 'no time', over: { createdTime: 'yesterday' }, names: 'createdTime' },
    { name: 'a day that is none', over: { createdTime: '2026-02-30T00:00:00Z' }, names: 'createdTime' },
    { name: 'no time to work', over: { podDeadlineSeconds: 0 }, names: 'podDeadlineSeconds' },
    { name: 'a wish unknown', over: { requestedType: 'Incremental' }, names: 'requestedType' },
    {
      name: 'more Pods than there may be',
      over: { terminalPods: Array<string>(65).fill('a') },
      names: 'terminalPods',
    },
  ];
  test.each(cases)('refuses $name, and names the field', ({ over, names }) => {
    const text = JSON.stringify({ ...aRequest(), ...over });
    expect(() => parseRequest(text)).toThrow(names);
    expect(() => parseRequest(text)).toThrow('NEO4J_BACKUP_RUN');
  });

  test.each(['', '{', 'null', '[]', '"x"'])('refuses %j, and names the variable', (text) => {
    expect(() => parseRequest(text)).toThrow('NEO4J_BACKUP_RUN');
  });
});
