import { describe, expect, it } from '@jest/globals';
import { blockedReason, isInternalAddress } from '../../src/runtimes/browser/egress.js';

describe('an internal address', () => {
  it.each([
    '0.0.0.0',
    '10.0.0.1',
    '10.255.255.255',
    '100.64.0.1',
    '100.127.255.255',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.1',
    '192.168.1.1',
    '198.18.0.1',
    '198.19.255.255',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'ff02::1',
    '64:ff9b::7f00:1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::FFFF:192.168.0.1',
    '::ffff:7f00:1',
    '::ffff:a00:1',
  ])('is %s', (address) => {
    expect(isInternalAddress(address)).toBe(true);
  });

  it.each([
    '1.1.1.1',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.1',
    '169.253.255.255',
    '172.15.255.255',
    '172.32.0.0',
    '192.167.255.255',
    '192.169.0.0',
    '198.17.255.255',
    '198.20.0.0',
    '223.255.255.255',
    '2001:4860:4860::8888',
    '::ffff:8.8.8.8',
    'localhost',
    'example.org',
    '',
  ])('is not %j', (address) => {
    expect(isInternalAddress(address)).toBe(false);
  });
});

describe('an address an agent may not open', () => {
  const blocked: [string, RegExp][] = [
    ['http://127.0.0.1/', /^127\.0\.0\.1 is an internal address \(127\.0\.0\.1\)$/],
    ['http://127.1/', /internal address \(127\.0\.0\.1\)/],
    ['http://2130706433/', /internal address \(127\.0\.0\.1\)/],
    ['http://0x7f000001/', /internal address \(127\.0\.0\.1\)/],
    ['http://017700000001/', /internal address \(127\.0\.0\.1\)/],
    ['http://localhost:8787/', /^localhost is an internal address/],
    ['http://[::1]/', /internal address \(::1\)/],
    ['http://[::ffff:127.0.0.1]/', /internal address/],
    ['http://[::ffff:7f00:1]/', /internal address/],
    ['http://169.254.169.254/latest/meta-data/', /internal address \(169\.254\.169\.254\)/],
    ['ws://127.0.0.1/', /internal address/],
    ['https://user:pass@10.0.0.1/', /^10\.0\.0\.1 is an internal address/],
    ['file:///etc/passwd', /^the scheme file: is not for agents$/],
    ['chrome://settings', /^the scheme chrome: is not for agents$/],
    ['view-source:http://example.org', /^the scheme view-source: is not for agents$/],
    ['javascript:alert(1)', /^the scheme javascript: is not for agents$/],
    ['ftp://example.org/', /^the scheme ftp: is not for agents$/],
    ['not a url', /^"not a url" is not a URL$/],
    ['', /^"" is not a URL$/],
  ];
  it.each(blocked)('is %j', async (url, why) => {
    expect(await blockedReason(url, { allowHosts: [] })).toMatch(why);
  });

  it.each([
    'about:blank',
    'data:text/html,hi',
    'blob:http://example.org/1',
    'http://8.8.8.8/',
    'https://[2001:4860:4860::8888]/',
  ])('is not %s', async (url) => {
    expect(await blockedReason(url, { allowHosts: [] })).toBeUndefined();
  });

  it('is allowed by its host, or by its host and port, and by nothing less', async () => {
    const url = 'http://127.0.0.1:8080/page';
    expect(await blockedReason(url, { allowHosts: ['127.0.0.1'] })).toBeUndefined();
    expect(await blockedReason(url, { allowHosts: ['127.0.0.1:8080'] })).toBeUndefined();
    for (const allowed of ['127.0.0.1:80', '127.0.0', '127.0.0.2', '*', 'localhost']) {
      expect(await blockedReason(url, { allowHosts: [allowed] })).toMatch(/internal address/);
    }
  });

  it('is not allowed by a scheme that is not for agents, whatever the host', async () => {
    expect(await blockedReason('file://127.0.0.1/etc/passwd', { allowHosts: ['127.0.0.1'] })).toMatch(
      /scheme/,
    );
  });
});
