import type { Envelope } from '#events/envelope.js';
import type { Config } from '../../config.js';
import { withServer, type Client } from '../client.js';
import { print } from '../output.js';
import { lineOf } from '../step-view.js';

export const run = (
  config: Config,
  options: { follow?: boolean; json?: boolean },
  id: string,
): Promise<void> =>
  withServer(config, async (client) => {
    const events = options.follow
      ? client.events(id, 0, new AbortController().signal)
      : allEvents(client, id);
    for await (const event of events)
      print(options.json ? JSON.stringify(event) : `${String(event.rev).padStart(4)}  ${lineOf(event)}`);
  });

/** The events a run has now, page by page. */
export async function* allEvents(client: Client, id: string): AsyncGenerator<Envelope> {
  for (let after: number | undefined = 0; after !== undefined;) {
    const page: { events: Envelope[]; next?: number } = await client.get(
      `/runs/${encodeURIComponent(id)}/events?limit=200&after=${after}`,
    );
    yield* page.events;
    after = page.next;
  }
}
