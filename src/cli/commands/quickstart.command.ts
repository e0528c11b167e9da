import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import type { Config } from '../../config.js';
import { packageRoot } from '../../setup/package-root.js';
import { withServer } from '../client.js';
import { print, progress } from '../output.js';
import { submitAndFollow } from './run.command.js';

const PAGES = ['tides.html', 'spring-neap.html', 'tide-tables.html'];

/** Serves the sample site of the template and runs `web_research` on it, in a real browser. */
export async function run(config: Config): Promise<number> {
  const site = await serveFolder(join(packageRoot, 'templates', 'web_research', 'sample-site'));
  try {
    progress(`the sample site is served at ${site.url}`);
    return await withServer(config, async (client) => {
      const code = await submitAndFollow(config, client, missionOn(site.url), {});
      print(
        'Next: `npm run -s skyagent -- serve`, then open http://127.0.0.1:8787/runs or run `npm run -s skyagent -- runs ls`',
      );
      return code;
    });
  } finally {
    site.server.close();
  }
}

const missionOn = (url: string) => ({
  template: 'web_research',
  inputs: { topic: 'How large the tides are, and when', urls: PAGES.map((page) => `${url}/${page}`) },
  metadata: { allowHosts: ['127.0.0.1'] },
});

/** A folder of plain HTML files on a free loopback port. */
async function serveFolder(folder: string): Promise<{ server: Server; url: string }> {
  const server = createServer((request, response) => {
    const name = /^\/([a-z-]+\.html)$/.exec(request.url ?? '')?.[1];
    const file = name && join(folder, name);
    void (file ? stat(file) : Promise.reject(new Error('no such page'))).then(
      () => createReadStream(file!).pipe(response.setHeader('content-type', 'text/html; charset=utf-8')),
      () => response.writeHead(404).end('not found'),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { server, url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}` };
}
