import { describe, expect, test } from 'vitest';
import { refusedAs } from './address.ts';

describe('refusedAs', () => {
  const loopback = 'a loopback address';
  const linkLocal = 'a link-local address';
  const unspecified = 'an unspecified address';
  const metadata = 'the address of a metadata service';
  test.each([
    { address: '127.0.0.1', is: loopback },
    { address: '127.255.255.255', is: loopback },
    { address: '126.255.255.255', is: undefined },
    { address: '128.0.0.0', is: undefined },
    { address: '::1', is: loopback },
    { address: '::2', is: unspecified }, // 0.0.0.2, as once written
    { address: '::ffff:127.0.0.1', is: loopback },
    { address: '::ffff:8.8.8.8', is: undefined },
    { address: '::ffff:0:7f00:1', is: loopback },
    { address: '64:ff9b::7f00:1', is: loopback },
    { address: '64:ff9b::808:808', is: undefined },
    { address: '64:ff9b:1:2::7f00:1', is: loopback },
    { address: '64:ff9b:2::7f00:1', is: undefined },
    { address: '2002:7f00:1::', is: loopback },
    { address: '2002:808:808::7f00:1', is: undefined },
    { address: '0.0.0.0', is: unspecified },
    { address: '0.255.255.255', is: unspecified },
    { address: '1.0.0.0', is: undefined },
    { address: '::', is: unspecified },
    { address: '169.253.255.255', is: undefined },
    { address: '169.254.0.0', is: linkLocal },
    { address: '169.254.255.255', is: linkLocal },
    { address: '169.255.0.0', is: undefined },
    { address: 'fe7f:ffff::1', is: undefined },
    { address: 'fe80::', is: linkLocal },
    { address: 'fe80::1%eth0', is: linkLocal },
    { address: 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff', is: linkLocal },
    { address: 'fec0::1', is: undefined },
    { address: 'fd00:ec2::254', is: metadata },
    { address: 'fd00:ec2::255', is: undefined },
    { address: '100.100.100.200', is: metadata },
    { address: '10.0.0.7', is: undefined },
    { address: '192.168.0.1', is: undefined },
    { address: 'fd12:3456::7', is: undefined },
    { address: '2001:db8::7', is: undefined },
    { address: 'orders', is: 'no address' },
    { address: '', is: 'no address' },
    { address: '1.2.3', is: 'no address' },
    { address: '0177.0.0.1', is: 'no address' },
  ])('says of $address: $is', ({ address, is }) => {
    expect(refusedAs(address)).toBe(is);
  });

  const theAPIServer = 'the address of the Kubernetes API server';
  test.each([
    { address: '10.96.0.1', apiServer: '10.96.0.1', is: theAPIServer },
    { address: '::ffff:a60:1', apiServer: '10.96.0.1', is: theAPIServer },
    { address: '10.96.0.1', apiServer: '::ffff:10.96.0.1', is: theAPIServer },
    { address: '64:ff9b::a60:1', apiServer: '10.96.0.1', is: theAPIServer },
    { address: 'fd00:0:0::1', apiServer: 'fd00::0001', is: theAPIServer },
    { address: '10.96.0.2', apiServer: '10.96.0.1', is: undefined },
    { address: '10.96.0.1', apiServer: undefined, is: undefined },
    { address: '10.96.0.1', apiServer: 'kubernetes.default.svc', is: undefined },
  ])('says of $address, where $apiServer is the API server: $is', ({ address, apiServer, is }) => {
    expect(refusedAs(address, apiServer)).toBe(is);
  });
});
