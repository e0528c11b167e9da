import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

const INTERNAL = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['224.0.0.0', 3],
] as const) {
  INTERNAL.addSubnet(net, prefix, 'ipv4');
}
for (const [net, prefix] of [
  ['::', 127],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
  ['64:ff9b::', 96],
] as const) {
  INTERNAL.addSubnet(net, prefix, 'ipv6');
}
const SAFE_SCHEMES: ReadonlySet<string> = new Set(['data:', 'blob:', 'about:']);
const WEB_SCHEMES: ReadonlySet<string> = new Set(['http:', 'https:', 'ws:', 'wss:']);

/** Whether an address is loopback, private, link-local or otherwise not on the public Internet. */
export function isInternalAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return INTERNAL.check(address, 'ipv4');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped) return isInternalAddress(mapped);
  return family === 6 && INTERNAL.check(address, 'ipv6');
}

/**
 * Why an agent may not open a URL, or nothing. Internal hosts need to be allowed by name; a public name that resolves to
 * an internal address is internal. A name that does not resolve is left to the browser to report.
 */
export async function blockedReason(url: string, allowed: readonly string[]): Promise<string | undefined> {
  const parsed = URL.parse(url);
  if (!parsed) return `${JSON.stringify(url)} is not a URL`;
  if (SAFE_SCHEMES.has(parsed.protocol)) return undefined;
  if (!WEB_SCHEMES.has(parsed.protocol)) return `the scheme ${parsed.protocol} is not for agents`;
  const place = await reach(parsed, allowed).catch(() => undefined);
  return place && 'blocked' in place ? place.blocked : undefined;
}

/** The address to connect to for a URL, or why an agent may not; throws what name resolution throws. */
export async function reach(
  url: URL,
  allowed: readonly string[],
): Promise<{ address: string } | { blocked: string }> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(host) ? [host] : (await lookup(host, { all: true })).map(({ address }) => address);
  const internal =
    allowed.includes(host) || allowed.includes(url.host) ? undefined : addresses.find(isInternalAddress);
  return internal === undefined
    ? { address: addresses[0]! }
    : { blocked: `${host} is an internal address (${internal})` };
}
