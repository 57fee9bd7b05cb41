import { describe, expect, test } from 'vitest';
import { isAllowedHost, isAllowedImage } from './allowed.ts';

describe('isAllowedHost', () => {
  test.each([
    { host: 'db.example.com', allowed: [], is: false },
    { host: 'db.example.com', allowed: ['db.example.com'], is: true },
    { host: 'DB.Example.com', allowed: ['db.eXample.COM'], is: true },
    { host: 'db.example.com', allowed: ['*.example.com'], is: true },
    { host: 'a.db.example.com', allowed: ['*.EXAMPLE.com'], is: true },
    { host: 'example.com', allowed: ['*.example.com'], is: false },
    { host: 'evilexample.com', allowed: ['*.example.com'], is: false },
    { host: 'db.example.com.evil.org', allowed: ['*.example.com', 'db.example.com'], is: false },
    { host: 'evil.org:6362.example.com', allowed: ['*.example.com'], is: false },
    { host: 'db.example.com', allowed: ['example.com', 'db', 'db.*'], is: false },
    { host: 'fd00::1', allowed: ['FD00::1'], is: true },
    { host: 'anything', allowed: ['*'], is: true },
  ])('says $is to $host where $allowed may be named', ({ host, allowed, is }) => {
    expect(isAllowedHost(host, allowed)).toBe(is);
  });
});

describe('isAllowedImage', () => {
  test.each([
    { image: 'neo4j:3.4.18-enterprise', allowed: ['neo4j:3.4.18-enterprise'], is: true },
    { image: 'neo4j:3.4.18-enterprise', allowed: ['neo4j:*-enterprise'], is: true },
    { image: 'neo4j:3.4.18-enterprise', allowed: ['neo4j'], is: false },
    { image: 'neo4j:5000/evil', allowed: ['neo4j:*'], is: false },
    { image: 'neo4j:3x4y18', allowed: ['neo4j:3.4.18'], is: false },
    { image: 'registry.example.com/db/neo4j:5', allowed: ['registry.example.com/*'], is: false },
    { image: 'registry.example.com/db/neo4j:5', allowed: ['other', 'registry.example.com/**'], is: true },
    { image: 'registry.example.com.evil.org/neo4j:5', allowed: ['registry.example.com/**'], is: false },
    { image: 'evil.org/registry.example.com/neo4j:5', allowed: ['registry.example.com/**'], is: false },
    { image: 'a+b', allowed: ['a+b'], is: true },
    { image: 'aab', allowed: ['a+b'], is: false },
    { image: 'any/thing@sha256:0', allowed: ['**'], is: true },
    { image: 'neo4j:5', allowed: [], is: false },
  ])('says $is to $image where $allowed may be named', ({ image, allowed, is }) => {
    expect(isAllowedImage(image, allowed)).toBe(is);
  });
});
