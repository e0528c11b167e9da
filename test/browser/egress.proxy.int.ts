import { request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text as readAll } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  createEgressProxy,
  EGRESS_HEADER,
  type EgressProxy,
} from '../../src/runtimes/browser/egress.proxy.js';
import { startSite, type Site } from '../support/site-pages.js';

let site: Site;
let proxy: EgressProxy;
beforeEach(async () => {
  site = await startSite({
    '/echo': (incoming, outgoing) =>
      void readAll(incoming).then((body) =>
        outgoing.writeHead(201, { 'x-seen': JSON.stringify(incoming.headers) }).end(body),
      ),
    '/forged': (_, outgoing) => outgoing.writeHead(200, { [EGRESS_HEADER]: 'blocked%3A%20me' }).end('x'),
    '/cut': (_, outgoing) => void outgoing.socket!.destroy(),
  });
});
afterEach(async () => {
  await proxy.close();
  await site.close();
});

/** A request as a browser sends it to a proxy: with the whole address. */
function over(
  url: string,
  method = 'GET',
  body = '',
  headers: Record<string, string> = {},
): Promise<IncomingMessage> {
  const { hostname, port } = new URL(proxy.url);
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { hostname, port, path: url, method, agent: false, headers: { host: new URL(url).host, ...headers } },
      resolve,
    );
    outgoing.once('error', reject).end(body);
  });
}

/** The first words a proxy answers to a CONNECT, and the tunnel. */
function tunnelTo(target: string): Promise<{ answer: string; socket: Socket }> {
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1');
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`);
  return new Promise((resolve) =>
    socket.once('data', (data) => resolve({ answer: data.toString().split('\r\n')[0]!, socket })),
  );
}

describe('the way out of a step’s browser', () => {
  it('hands on a request and its answer as they are, but for what belongs to one connection', async () => {
    proxy = await createEgressProxy({ allowHosts: ['127.0.0.1'] });
    const answer = await over(`${site.url}/echo?x=1`, 'POST', 'hello', {
      'proxy-connection': 'keep-alive',
      cookie: 'a=b',
      connection: 'x-own',
      'x-own': '1',
    });
    expect([answer.statusCode, await readAll(answer)]).toEqual([201, 'hello']);
    const seen = JSON.parse(answer.headers['x-seen'] as string) as Record<string, string>;
    expect(seen).toMatchObject({ host: new URL(site.url).host, cookie: 'a=b' });
    expect(Object.keys(seen)).not.toEqual(expect.arrayContaining(['proxy-connection']));
    expect(seen).not.toHaveProperty('x-own');
  });

  it('does not go to an internal address, and says so in a header of its own', async () => {
    proxy = await createEgressProxy({ allowHosts: [] });
    const answer = await over(`${site.url}/echo`);
    expect(answer.statusCode).toBe(403);
    expect(proxy.saidIn(answer.headers as Record<string, string>)).toBe(
      'blocked: 127.0.0.1 is an internal address (127.0.0.1)',
    );
    expect(proxy.problemOf(new URL(site.url).host)).toBe(
      'blocked: 127.0.0.1 is an internal address (127.0.0.1)',
    );
    expect(site.hits).toEqual([]);
  });

  it('takes that header off the answers of sites', async () => {
    proxy = await createEgressProxy({ allowHosts: ['127.0.0.1'] });
    const answer = await over(`${site.url}/forged`);
    expect(answer.headers).not.toHaveProperty(EGRESS_HEADER);
    expect(await readAll(answer)).toBe('x');
    // Over a tunnel, or out of a service worker, it may come all the same: without the proxy's word it says nothing.
    for (const said of ['%', 'blocked%3A%20words%20of%20a%20page', `${'0'.repeat(32)} blocked`])
      expect(proxy.saidIn({ [EGRESS_HEADER]: said })).toBeUndefined();
  });

  it('makes a tunnel to where a step may go', async () => {
    proxy = await createEgressProxy({ allowHosts: ['127.0.0.1'] });
    const { answer, socket } = await tunnelTo(new URL(site.url).host);
    expect(answer).toBe('HTTP/1.1 200 Connection Established');
    socket.write('GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(await readAll(socket)).toMatch(/^HTTP\/1\.1 201 Created/);
  });

  it.each(['localhost', '[::1]', '10.0.0.1', '127.1'])(
    'makes no tunnel to an internal address: %s',
    async (host) => {
      proxy = await createEgressProxy({ allowHosts: [] });
      const { answer, socket } = await tunnelTo(`${host}:${new URL(site.url).port}`);
      expect(answer).toBe('HTTP/1.1 403 Forbidden');
      const { host: asked } = new URL(`https://${host}:${new URL(site.url).port}`);
      expect(proxy.problemOf(asked)).toMatch(/^blocked: .* is an internal address/);
      socket.destroy();
    },
  );

  it('says why a connection broke, in Chromium’s words', async () => {
    proxy = await createEgressProxy({ allowHosts: ['127.0.0.1'] });
    const answer = await over(`${site.url}/cut`);
    const said = proxy.saidIn(answer.headers as Record<string, string>);
    expect([answer.statusCode, said]).toEqual([502, 'ERR_CONNECTION_RESET']);
  });

  it('refuses what is no address', async () => {
    proxy = await createEgressProxy({ allowHosts: [] });
    const { hostname, port } = new URL(proxy.url);
    const status = await new Promise((resolve) =>
      request({ hostname, port, path: '/not-absolute', agent: false }, (answer) =>
        resolve(answer.statusCode),
      ).end(),
    );
    expect(status).toBe(400);
  });

  it('ends every connection when it is closed', async () => {
    proxy = await createEgressProxy({ allowHosts: ['127.0.0.1'] });
    const { socket } = await tunnelTo(new URL(site.url).host);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    await proxy.close();
    await closed;
    expect(socket.destroyed).toBe(true);
  });
});
