import type { DesktopControl, DesktopInfo } from '#events/desktop.js';
import type { Config } from '../../config.js';
import { withServer } from '../client.js';
import { print, printJson } from '../output.js';

interface Options {
  readonly json?: boolean;
}

/** Lists the desktops that are connected. */
export const list = (config: Config, { json }: Options): Promise<void> =>
  withServer(config, async (client) => {
    const { desktops } = await client.get<{ desktops: DesktopInfo[] }>('/desktops');
    if (json) return printJson(desktops);
    if (desktops.length === 0)
      print(
        'none is connected; `skyagent desktop-daemon` connects this one, and steps that find none start one',
      );
    for (const desktop of desktops) print(lineOf(desktop));
  });

function lineOf({ name, labels, screen, problem, apps, control }: DesktopInfo): string {
  const size = screen ? `${screen.width}×${screen.height}` : `no screen (${problem?.code ?? 'unknown'})`;
  const tags = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const who = control.state === 'run' ? `run ${control.lease?.run}` : control.state;
  return [name, size, who, ...tags, apps.length > 0 ? `apps: ${apps.join(' ')}` : '']
    .filter(Boolean)
    .join('  ');
}

const command =
  (what: 'stop' | 'handback') =>
  (config: Config, { json }: Options, name: string): Promise<void> =>
    withServer(config, async (client) => {
      const answer = await client.post<{ control: DesktopControl }>(
        `/desktops/${encodeURIComponent(name)}/${what}`,
        {},
      );
      if (json) printJson(answer);
      else print(`${name}  ${answer.control.state}`);
    });

/** The kill switch of a desktop. */
export const stop = command('stop');
/** A person gives a desktop back. */
export const handback = command('handback');
