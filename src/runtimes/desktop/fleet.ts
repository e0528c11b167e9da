import {
  desktopNameSchema,
  type DesktopControl,
  type DesktopControlCommand,
  type DesktopInfo,
} from '#events/desktop.js';
import type { Desktops } from '../../log/desktops.js';
import { fail } from '../../failures/failures.js';
import type { DesktopLink } from './link.js';
import { createNatsLink } from './nats.link.js';
import { OWN, type OwnDesktop } from './own-desktop.js';

export interface FleetDeps {
  readonly desktops: Desktops;
  /** The daemon that the settings name. */
  readonly configured: DesktopLink | undefined;
  /** The desktop of this process, where it may have one. */
  readonly own: OwnDesktop | undefined;
}

/** All desktops that this process can reach. */
export interface Fleet {
  /** The ways to the desktops that a step may have, the best first; none, when none is there now. */
  candidates(ref: string | undefined): Promise<readonly DesktopLink[]>;
  /** Those that are there now. */
  list(): Promise<DesktopInfo[]>;
  /** Asks for something at the controls of one; undefined, when there is none of this name. */
  control(name: string, command: DesktopControlCommand): Promise<DesktopControl | undefined>;
  close(): Promise<void>;
}

/**
 * A step that names a desktop gets that one; one that names a label, any that has it. Others get the one that the settings
 * name, else one that has dialled in, else one of this process's own.
 */
export function createFleet({ desktops, configured, own }: FleetDeps): Fleet {
  const links = new Map<string, DesktopLink>();
  const linkTo = (name: string): DesktopLink => {
    const link = links.get(name) ?? createNatsLink(desktops, name);
    links.set(name, link);
    return link;
  };
  const startOwn = async (): Promise<DesktopLink[]> => (own ? [await own.link()] : []);

  /** Those that are there, and the own one, if it runs. */
  async function there(): Promise<DesktopLink[]> {
    const found = (await desktops.find()).map(({ name }) => linkTo(name));
    const running = await own?.running();
    return [configured, running, ...found].filter((link) => link !== undefined);
  }

  /** The name that a configured daemon gives itself. */
  const nameOf = async (link: DesktopLink): Promise<string> =>
    (await link.info().catch(() => undefined))?.name ?? link.name;

  async function byLabel(key: string, value: string): Promise<DesktopLink[]> {
    const found = (await desktops.find())
      .filter(({ labels }) => labels[key] === value)
      .map(({ name }) => linkTo(name));
    const matches = configured && (await configured.info().catch(() => undefined))?.labels[key] === value;
    return matches ? [configured, ...found] : found;
  }

  async function any(): Promise<readonly DesktopLink[]> {
    if (configured) return [configured];
    const found = (await desktops.find()).map(({ name }) => linkTo(name));
    return found.length > 0 ? found : startOwn();
  }

  return {
    candidates: async (ref) => {
      if (ref === undefined) return any();
      const [, key, value] = /^([^=]+)=(.*)$/s.exec(ref) ?? [];
      if (key !== undefined && value !== undefined) return byLabel(key, value);
      if (!desktopNameSchema.safeParse(ref).success)
        throw fail(
          'no-such-desktop',
          `${JSON.stringify(ref)} is neither the name of a desktop nor a label as k=v`,
        );
      if (configured && ref === (await nameOf(configured))) return [configured];
      if (ref !== OWN) return [linkTo(ref)];
      const found = await desktops.find();
      return found.some(({ name }) => name === OWN) ? [linkTo(OWN)] : startOwn();
    },
    list: async () => {
      const infos = (await there()).map((link) => link.info().catch(() => undefined));
      return (await Promise.all(infos)).filter((info) => info !== undefined);
    },
    control: async (name, command) => {
      for (const link of await there()) {
        const info = link.name === name ? { name } : await link.info().catch(() => undefined);
        if (info?.name === name) return link.control(command);
      }
      return undefined;
    },
    close: async () => {
      await own?.close();
      await Promise.all([configured, ...links.values()].map((link) => link?.close()));
    },
  };
}
