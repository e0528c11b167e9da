import { createSocket, type Socket } from 'node:dgram';
import { createServer, request, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { blockedReason, reach } from '../../src/runtimes/browser/egress.js';
import { createEgressProxy } from '../../src/runtimes/browser/egress.proxy.js';
import { startBrowser, type Ran } from '../support/site-driver.js';
import { startSite, type Site } from '../support/site-pages.js';

/** Hosts that no agent may open, in every spelling that a browser takes. */
const HOSTS = [
  '127.0.0.1',
  '127.0.0.2',
  '127.255.255.254',
  '127.1',
  '127.0.1',
  '2130706433',
  '0x7f000001',
  '0x7f.0.0.1',
  '0177.0.0.1',
  '017700000001',
  '0x7f.1',
  '127.0.0.1.',
  'localhost',
  'LOCALHOST',
  'localhost.',
  'LocalHost',
  '0.0.0.0',
  '0',
  '0.0.0.1',
  '0.255.255.255',
  '１２７.０.０.１',
  '127。0。0。1',
  '①②⑦.0.0.1',
  '%31%32%37.0.0.1',
  '[::1]',
  '[0:0:0:0:0:0:0:1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[::ffff:0:127.0.0.1]',
  '[::127.0.0.1]',
  '[64:ff9b::127.0.0.1]',
  '[64:ff9b::a00:1]',
  '[64:ff9b:1::1]',
  '[2002:7f00:1::]',
  '[2002:a00:1::1]',
  '[2001::1]',
  '[2001:0:7f00:1::]',
  '[100::1]',
  '[2001:db8::1]',
  '[fe80::1]',
  '[febf::1]',
  '[fec0::1]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[fdff::1]',
  '[ff02::1]',
  '[ff0e::1]',
  '10.0.0.1',
  '10.255.255.255',
  '167772161',
  '0xa000001',
  '10.1',
  '172.16.0.1',
  '172.31.255.255',
  '172.20.1',
  '192.168.0.1',
  '192.168.255.255',
  '3232235521',
  '192.168.1',
  '169.254.169.254',
  '169.254.169.253',
  '169.254.170.2',
  '2852039166',
  '0xa9fea9fe',
  '0251.0376.0251.0376',
  '[::ffff:169.254.169.254]',
  '[::ffff:a9fe:a9fe]',
  '169.254.0.1',
  '100.64.0.1',
  '100.100.100.200',
  '100.127.255.255',
  '192.0.0.1',
  '192.0.0.192',
  '192.0.2.1',
  '192.88.99.1',
  '198.18.0.1',
  '198.19.255.255',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '[::ffff:10.0.0.1]',
  '[::ffff:192.168.0.1]',
];

let browser: Ran;
let site: Site;
/** Listens on every address of this machine, and counts who comes. */
let witness: Server;
let udp: Socket;
let port: number;
const seen: string[] = [];
beforeAll(async () => {
  witness = createServer((asked, response) => {
    seen.push(`${asked.headers.host} ${asked.url}`);
    response.end('reached');
  });
  witness.on('upgrade', (asked, socket) => {
    seen.push(`upgrade ${asked.headers.host}`);
    socket.destroy();
  });
  await new Promise<void>((resolve) => witness.listen(0, '::', resolve));
  port = (witness.address() as { port: number }).port;
  udp = createSocket('udp4', () => seen.push('udp'));
  await new Promise<void>((resolve) => udp.bind(port, resolve));
  site = await startSite({
    '/page': (asked, response) =>
      response
        .setHeader('content-type', 'text/html')
        .end(pageOf(new URL(asked.url!, 'http://x').searchParams.getAll('host'))),
    '/worker.js': (_, response) => {
      const targets = JSON.stringify(HOSTS.slice(0, 40).map((host) => `http://${host}:${port}/from-worker`));
      response
        .setHeader('content-type', 'text/javascript')
        .end(
          `self.addEventListener('install', (event) => event.waitUntil(Promise.allSettled(${targets}.map((url) => fetch(url, { mode: 'no-cors' })))));`,
        );
    },
    '/worker': `<!doctype html><title>waiting</title><script>navigator.serviceWorker.register('/worker.js').then(() => navigator.serviceWorker.ready).then(() => document.body.insertAdjacentHTML('afterbegin', '<p id="ready">ready</p>'), (error) => (document.title = String(error)))</script>`,
    '/hop': (asked, response) => {
      const to = new URL(asked.url!, 'http://x').searchParams.get('to')!;
      // A header takes bytes, as they are in UTF-8.
      response.writeHead(302, { location: Buffer.from(to).toString('latin1') }).end();
    },
  });
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await site.close();
  udp.close();
  witness.closeAllConnections();
  await new Promise((resolve) => witness.close(resolve));
});

/** A page that tries every way out there is, towards every host, and says when all of them have ended. */
const pageOf = (hosts: readonly string[]): string => `<!doctype html><title>trying</title>
${hosts.map((host) => `<link rel="prefetch" href="http://${host}:${port}/prefetch"><link rel="dns-prefetch" href="//${host}:${port}"><link rel="stylesheet" href="http://${host}:${port}/style.css">`).join('')}
${hosts.map((host) => `<img src="http://${host}:${port}/img"><iframe src="http://${host}:${port}/frame"></iframe><object data="http://${host}:${port}/object"></object>`).join('')}
<script>
const hosts = ${JSON.stringify(hosts)}; const port = ${port};
const socket = (host) => new Promise((done) => { try { const it = new WebSocket('ws://' + host + ':' + port + '/ws'); it.onerror = it.onclose = it.onopen = done; } catch { done(); } });
const source = (host) => new Promise((done) => { try { const it = new EventSource('http://' + host + ':' + port + '/sse'); it.onerror = it.onopen = () => { it.close(); done(); }; } catch { done(); } });
const hop = (host) => fetch('/hop?to=' + encodeURIComponent('http://' + host + ':' + port + '/hop'), { mode: 'no-cors' }).catch(() => 0);
const ask = (host) => fetch('http://' + host + ':' + port + '/fetch', { mode: 'no-cors' }).catch(() => 0);
const beacon = (host) => { try { navigator.sendBeacon('http://' + host + ':' + port + '/beacon', 'x'); } catch {} };
const rtc = (host) => { try { const it = new RTCPeerConnection({ iceServers: [{ urls: 'stun:' + host + ':' + port }] }); it.createDataChannel('x'); it.createOffer().then((offer) => it.setLocalDescription(offer)); } catch {} };
Promise.allSettled(hosts.flatMap((host) => { beacon(host); rtc(host); return [ask(host), hop(host), socket(host), source(host)]; })).then(() => setTimeout(() => document.body.insertAdjacentHTML('afterbegin', '<p id="done">done</p>'), 500));
</script>`;

const own = () => new URL(site.url).host;

describe('a host that no agent may open', () => {
  it('is one of at least 80', () => {
    expect(new Set(HOSTS).size).toBeGreaterThanOrEqual(80);
  });

  it.each(HOSTS)('is refused before anything is sent: %s', async (host) => {
    expect(await blockedReason(`http://${host}:${port}/`, { allowHosts: [own()] })).toMatch(
      /is an internal address|is not a URL/,
    );
  });

  it('is reached by no way out of a page: its parts, frames, sockets, beacons, redirects', async () => {
    for (let from = 0; from < HOSTS.length; from += 12) {
      const query = new URLSearchParams(HOSTS.slice(from, from + 12).map((host) => ['host', host]));
      const { output } = await browser.run(
        [
          { goto: { url: `${site.url}/page?${query}`, until: 'domcontentloaded', timeoutMs: 60_000 } },
          { wait: { selector: '#done', timeoutMs: 60_000 } },
        ],
        { allowHosts: [own()], runId: `run_way_${from}` },
      );
      expect(output.title).toBe('trying');
      await browser.driver.endRun!(`run_way_${from}`, 'ended');
    }
    expect(seen).toEqual([]);
  }, 180_000);

  it('is reached by no service worker', async () => {
    const { output } = await browser.run(
      [{ goto: { url: `${site.url}/worker` } }, { wait: { selector: '#ready', timeoutMs: 60_000 } }],
      { allowHosts: [own()] },
    );
    expect(output.title).toBe('waiting');
    expect(site.hits).toContain('/worker.js');
    expect(seen).toEqual([]);
  }, 60_000);

  it('is not opened by a script, a link or a form either', async () => {
    const { failure } = await browser.fails(
      [
        { goto: { url: `data:text/html,<a href="http://127.0.0.1:${port}/link">there</a>` } },
        { click: { text: 'there' } },
      ],
      { allowHosts: [own()] },
    );
    expect(failure).toMatchObject({ kind: 'policy', code: 'host-blocked' });
    expect(seen).toEqual([]);
  });

  it('would have been seen: the witness counts', async () => {
    await browser.run([{ goto: { url: `http://127.0.0.1:${port}/seen` } }], { allowHosts: ['127.0.0.1'] });
    expect(seen).toContain(`127.0.0.1:${port} /seen`);
  });
});

describe('the only hosts of a mission', () => {
  const rules = { allowHosts: ['127.0.0.1'], onlyHosts: ['127.0.0.1', '*.example.org', 'example.com:8080'] };
  it.each([
    'http://127.0.0.1:1/',
    'http://a.example.org/',
    'http://a.b.example.org/',
    'http://example.com:8080/',
  ])('are open: %s', async (url) => {
    const resolve = () => Promise.resolve(['93.184.216.34']);
    expect(await reach(new URL(url), rules, resolve)).not.toHaveProperty('blocked');
  });
  it.each([
    'http://8.8.8.8/',
    'http://example.org/',
    'http://example.com/',
    'http://badexample.org/',
    'http://a.example.org.evil.net/',
  ])('are the only ones: %s', async (url) => {
    const resolve = () => Promise.resolve(['93.184.216.34']);
    expect(await reach(new URL(url), rules, resolve)).toEqual({
      blocked: expect.stringMatching(/is not one of the hosts that this mission may open/),
    });
  });

  it('hold for what a page asks for, too', async () => {
    const before = seen.length;
    await browser.run(
      [
        { goto: { url: `${site.url}/page?host=localhost` } },
        { wait: { selector: '#done', timeoutMs: 30_000 } },
      ],
      { allowHosts: ['127.0.0.1', 'localhost'], metadata: { onlyHosts: ['127.0.0.1'] } },
    );
    expect(seen).toHaveLength(before);
  });
});

describe('a name', () => {
  it('that means another address a moment later is connected to as it was judged', async () => {
    const answers = [['203.0.114.1'], ['127.0.0.1']];
    const asked: string[] = [];
    const proxy = await createEgressProxy({ allowHosts: [] }, (host) => {
      asked.push(host);
      return Promise.resolve(answers[asked.length - 1] ?? ['127.0.0.1']);
    });
    const before = seen.length;
    const pending = request({
      host: '127.0.0.1',
      port: new URL(proxy.url).port,
      path: `http://rebound.example:${port}/`,
    });
    pending.on('error', () => undefined).end();
    await new Promise((resolve) => setTimeout(resolve, 300));
    pending.destroy();
    await proxy.close();
    // Judged once, and not resolved again to be connected to.
    expect(asked).toEqual(['rebound.example']);
    expect(seen).toHaveLength(before);
  });

  it('of which one address is internal is internal', async () => {
    const resolve = () => Promise.resolve(['93.184.216.34', '10.0.0.8']);
    expect(await reach(new URL('http://two.example/'), { allowHosts: [] }, resolve)).toEqual({
      blocked: 'two.example is an internal address (10.0.0.8)',
    });
  });
});
