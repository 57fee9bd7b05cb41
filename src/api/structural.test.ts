import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { cel, structural } from './structural.ts';

describe('structural', () => {
  interface Case {
    readonly name: string;
    readonly schema: z.ZodType;
    readonly json: object;
  }
  const short = z.string().max(9);
  const accepted: readonly Case[] = [
    { name: 'a bounded text', schema: short, json: { type: 'string', maxLength: 9 } },
    {
      name: 'a pattern',
      schema: short.regex(/^a+$/),
      json: { type: 'string', maxLength: 9, pattern: '^a+$' },
    },
    { name: 'a choice', schema: z.enum(['a', 'b']), json: { type: 'string', enum: ['a', 'b'] } },
    { name: 'a flag', schema: z.boolean(), json: { type: 'boolean' } },
    {
      name: 'an integer, without the bounds of JavaScript',
      schema: z.int(),
      json: { type: 'integer', format: 'int64' },
    },
    {
      name: 'the bounds that an integer was given',
      schema: z.int().min(0).max(7),
      json: { type: 'integer', format: 'int64', minimum: 0, maximum: 7 },
    },
    {
      name: 'a time, whose length the server bounds by itself',
      schema: z.iso.datetime(),
      json: { type: 'string', format: 'date-time' },
    },
    {
      name: 'a bounded list',
      schema: z.array(short).max(3),
      json: { type: 'array', maxItems: 3, items: { type: 'string', maxLength: 9 } },
    },
    {
      name: 'a bounded map',
      schema: z.record(z.string(), short).meta({ maxProperties: 4 }),
      json: { type: 'object', maxProperties: 4, additionalProperties: { type: 'string', maxLength: 9 } },
    },
    {
      name: 'optional fields as such',
      schema: z.object({ a: short, b: short.optional() }),
      json: {
        type: 'object',
        required: ['a'],
        properties: { a: { type: 'string', maxLength: 9 }, b: { type: 'string', maxLength: 9 } },
      },
    },
    {
      name: 'integers and texts in one field, as quantities are written',
      schema: z.union([z.int(), z.string()]).meta({ 'x-kubernetes-int-or-string': true, maxLength: 9 }),
      json: { 'x-kubernetes-int-or-string': true, maxLength: 9 },
    },
    {
      name: 'rules',
      schema: z.object({}).meta(cel({ rule: 'true', message: 'must hold' })),
      json: {
        type: 'object',
        properties: {},
        'x-kubernetes-validations': [{ rule: 'true', message: 'must hold' }],
      },
    },
  ];
  test.each(accepted)('writes $name', ({ schema, json }) => {
    expect(structural(schema)).toEqual(json);
  });

  interface DefaultCase {
    readonly name: string;
    readonly schema: z.ZodType;
    readonly description: string | undefined;
  }
  const defaults: readonly DefaultCase[] = [
    {
      name: 'a text',
      schema: short.default('x').describe('Its name.'),
      description: 'Its name. Default: x.',
    },
    { name: 'a number', schema: z.int().default(0), description: 'Default: 0.' },
    {
      name: 'a flag',
      schema: z.boolean().default(false).describe('Stops it.'),
      description: 'Stops it. Default: false.',
    },
    { name: 'an object', schema: z.object({ a: z.int().default(1) }).prefault({}), description: undefined },
  ];
  test.each(defaults)(
    'tells the default of $name in words, and never as `default`',
    ({ schema, description }) => {
      const { properties } = structural(z.object({ field: schema })) as {
        properties: { field: Readonly<Record<string, unknown>> };
      };
      expect(properties.field['description']).toBe(description);
      expect(JSON.stringify(properties)).not.toContain('"default"');
    },
  );

  test('demands no field that has a default', () => {
    expect(structural(z.object({ field: z.int().default(1) }))).not.toHaveProperty('required');
  });

  interface Refusal {
    readonly name: string;
    readonly schema: z.ZodType;
    readonly says: RegExp;
  }
  const quantity = z.union([z.int(), z.string()]).meta({ 'x-kubernetes-int-or-string': true });
  const refusals: readonly Refusal[] = [
    { name: 'an unbounded text', schema: z.string(), says: /unbounded at \$\.field: no maxLength/ },
    { name: 'a text with a pattern only', schema: z.string().regex(/^a*$/), says: /no maxLength/ },
    { name: 'an unbounded list', schema: z.array(short), says: /no maxItems/ },
    {
      name: 'an unbounded text in a list',
      schema: z.array(z.string()).max(3),
      says: /\$\.field\.items: no maxLength/,
    },
    { name: 'an unbounded map', schema: z.record(z.string(), short), says: /no maxProperties/ },
    {
      name: 'an unbounded text in a map',
      schema: z.record(z.string(), z.string()).meta({ maxProperties: 1 }),
      says: /additionalProperties: no maxLength/,
    },
    { name: 'an unbounded quantity', schema: quantity, says: /no maxLength/ },
    {
      name: 'a deep unbounded text',
      schema: z.object({ a: z.object({ b: z.string() }) }),
      says: /\$\.field\.a\.b/,
    },
    { name: 'a union', schema: z.union([short, z.int()]), says: /anyOf/ },
    {
      name: 'a union with a tag',
      schema: z.discriminatedUnion('k', [z.object({ k: z.literal('a') }), z.object({ k: z.literal('b') })]),
      says: /oneOf|anyOf/,
    },
    { name: 'anything', schema: z.unknown(), says: /no type/ },
    { name: 'a list of anything', schema: z.array(z.unknown()).max(1), says: /no type/ },
    { name: 'a tuple', schema: z.tuple([short, short]), says: /not structural|unbounded/ },
    {
      name: 'an object with room for anything',
      schema: z.looseObject({ a: short }),
      says: /unbounded|no type/,
    },
    { name: 'a big integer', schema: z.bigint(), says: /BigInt/i },
    { name: 'a date', schema: z.date(), says: /Date/ },
  ];
  test.each(refusals)('refuses $name, and says where', ({ schema, says }) => {
    expect(() => structural(z.object({ field: schema }))).toThrow(says);
  });

  test('refuses a schema that contains itself', () => {
    interface Tree {
      readonly child?: Tree | undefined;
    }
    const tree: z.ZodType<Tree> = z.lazy(() => z.object({ child: tree.optional() }));
    expect(() => structural(z.object({ tree }))).toThrow(/[Cc]ycle/);
  });
});
