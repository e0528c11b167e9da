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
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  INTERNAL.addSubnet(net, prefix, 'ipv4');
}
for (const [net, prefix] of [
  ['::', 96],
  ['::ffff:0:0:0', 96],
  ['100::', 64],
  ['2001::', 32],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['fc00::', 7],
  ['fe80::', 9],
  ['ff00::', 8],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
] as const) {
  INTERNAL.addSubnet(net, prefix, 'ipv6');
}
const SAFE_SCHEMES: ReadonlySet<string> = new Set(['data:', 'blob:', 'about:']);
const WEB_SCHEMES: ReadonlySet<string> = new Set(['http:', 'https:', 'ws:', 'wss:']);

/**
 * Whether an address is loopback, private, link-local or otherwise not on the public Internet (the registries of RFC 6890
 * as far as they are not globally reachable), or one that carries such an address inside (6to4, Teredo, NAT64).
 */
export function isInternalAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return INTERNAL.check(address, 'ipv4');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped) return isInternalAddress(mapped);
  return family === 6 && INTERNAL.check(address, 'ipv6');
}

/** What a browser may reach. */
export interface EgressRules {
  /** Internal hosts that may be opened, as `host` or `host:port`. */
  readonly allowHosts: readonly string[];
  /** When it is there, the only hosts that may be opened; `*.example.org` is every host below example.org. */
  readonly onlyHosts?: readonly string[] | undefined;
}

/**
 * Why an agent may not open a URL, or nothing. Internal hosts need to be allowed by name; a public name that resolves to
 * an internal address is internal. A name that does not resolve is left to the browser to report.
 */
export async function blockedReason(url: string, rules: EgressRules): Promise<string | undefined> {
  const parsed = URL.parse(url);
  if (!parsed) return `${JSON.stringify(url)} is not a URL`;
  if (SAFE_SCHEMES.has(parsed.protocol)) return undefined;
  if (!WEB_SCHEMES.has(parsed.protocol)) return `the scheme ${parsed.protocol} is not for agents`;
  const place = await reach(parsed, rules).catch(() => undefined);
  return place && 'blocked' in place ? place.blocked : undefined;
}

/** All addresses of a host name; rejects when it has none. */
export type Resolve = (host: string) => Promise<string[]>;
const bySystem: Resolve = async (host) => (await lookup(host, { all: true })).map(({ address }) => address);

/** The address to connect to for a URL, or why an agent may not; throws what name resolution throws. */
export async function reach(
  url: URL,
  { allowHosts, onlyHosts }: EgressRules,
  resolve: Resolve = bySystem,
): Promise<{ address: string } | { blocked: string }> {
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (onlyHosts && !onlyHosts.some((pattern) => fits(pattern, host, url.host)))
    return { blocked: `${host} is not one of the hosts that this mission may open` };
  const addresses = isIP(host) ? [host] : await resolve(host);
  const allowed = allowHosts.includes(host) || allowHosts.includes(url.host);
  const internal = allowed ? undefined : addresses.find(isInternalAddress);
  return internal === undefined
    ? { address: addresses[0]! }
    : { blocked: `${host} is an internal address (${internal})` };
}

const fits = (pattern: string, host: string, hostAndPort: string): boolean =>
  pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : pattern === host || pattern === hostAndPort;
