import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseInspection } from './inspection.ts';

const id = 'c8368b24-55e2-474d-bb41-75657f5bfcde';
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const common = ['FILE', 'DATABASE', 'DATABASE ID'];
const file = 'file:///backups/neo4j-2023-06-29T14-46-27.backup';
const expected = {
  file: 'neo4j-2023-06-29T14-46-27.backup',
  database: 'neo4j',
  databaseID: id,
  isFull: true,
  lowestTransactionID: 1n,
  highestTransactionID: 11n,
};

interface Case {
  readonly name: string;
  readonly lines: readonly string[];
}

/** The columns of each version as its manual has them; that of 2025.09 is from the manual's page on aggregation. */
const tables: readonly Case[] = [
  {
    name: '5.0',
    lines: [
      row([...common, 'TIME', 'FULL', 'COMPRESSED', 'LOWEST TX', 'HIGHEST TX']),
      row([file, 'neo4j', id, '2023-06-29T13:46:27', 'true', 'true', '1', '11']),
    ],
  },
  {
    name: '5.25',
    lines: [
      row([...common, 'TIME (UTC)', 'FULL', 'COMPRESSED', 'LOWEST TX', 'HIGHEST TX']),
      row([file, 'neo4j', id, '2023-06-29T13:46:27', 'true', 'true', '1', '11']),
    ],
  },
  {
    name: '2025.06',
    lines: [
      row([...common, 'TIME (UTC)', 'FULL', 'COMPRESSED', 'LOWEST TX', 'HIGHEST TX', 'RECOVERED']),
      row([file, 'neo4j', id, '2023-06-29T13:46:27', 'true', 'true', '1', '11', 'true']),
    ],
  },
  {
    name: '2025.09',
    lines: [
      row([
        ...common,
        'TIME (UTC)',
        'FULL',
        'COMPRESSED',
        'LOWEST TX',
        'HIGHEST TX',
        'STORE ID HASH',
        'RECOVERED',
      ]),
      row([file, 'neo4j', id, '2023-06-29T13:46:27', 'true', 'true', '1', '11', '-116350002', 'true']),
    ],
  },
];

describe('parseInspection', () => {
  test.each(tables)('reads the table of $name, by the names of its columns', ({ lines }) => {
    expect(parseInspection(lines.join('\n'))).toEqual([expected]);
  });

  test('passes over what else is printed, before, between and after', () => {
    const [header = '', line = ''] = tables[0]?.lines ?? [];
    const noise = 'Picked up JAVA_TOOL_OPTIONS: -Xmx1g';
    const odd = row(['a', 'b', 'c']);
    expect(parseInspection([noise, header, odd, noise, line, noise].join('\r\n'))).toEqual([expected]);
  });

  test('reads JSON where its keys say it all', () => {
    const item = { uri: file, database: 'neo4j', databaseId: id, full: true, lowestTx: 1, highest_tx: '11' };
    expect(parseInspection(`WARNING: Using incubator modules\n${JSON.stringify([item])}\n`)).toEqual([
      expected,
    ]);
  });

  test.each([
    { name: 'nothing', text: '' },
    { name: 'the JSON of which only the key `uri` is known', text: JSON.stringify([{ uri: file }]) },
    { name: 'JSON that is cut short', text: `[{"uri":"${file}","database":"neo4j"` },
    { name: 'a row without a header', text: tables[0]?.lines[1] ?? '' },
    { name: 'a header alone', text: tables[0]?.lines[0] ?? '' },
    {
      name: 'a transaction that is no number',
      text: (tables[0]?.lines ?? []).join('\n').replace('| 11 |', '| 1e1 |'),
    },
    {
      name: 'a flag that is neither',
      text: (tables[0]?.lines ?? []).join('\n').replace('| true |', '| yes |'),
    },
  ])('finds nothing in $name', ({ text }) => {
    expect(parseInspection(text)).toEqual([]);
  });

  test('never throws', () => {
    const cell = fc.constantFrom(
      '|',
      '[{',
      'DATABASE ID',
      'FULL',
      '\n',
      '"uri":',
      '9'.repeat(30),
      '}]',
      ' ',
      id,
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(cell, fc.string({ unit: 'binary' }))), (parts) => {
        expect(Array.isArray(parseInspection(parts.join('')))).toBe(true);
      }),
    );
  });
});
