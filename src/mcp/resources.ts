import { ResourceTemplate, type McpServer } from '@modelcontextprotocol/server';
import { part, type Api } from './api.js';
import { fileOf } from './tools.js';

const JSON_TYPE = 'application/json';
const MOST_LISTED = 50;
const LOOK_MS = 1_000;
const MOST_SUBSCRIPTIONS = 64;

interface RunRow {
  readonly id: string;
  readonly title: string;
  readonly status: string;
}

/** Runs, their reports and other files as resources: `skyagent://runs/{runId}` and `…/files/{path}`. */
export function registerResources(server: McpServer, api: Api): void {
  server.registerResource(
    'run',
    new ResourceTemplate('skyagent://runs/{runId}', { list: () => listRuns(api) }),
    { title: 'A run', description: 'How a run stands.', mimeType: JSON_TYPE },
    async (uri, { runId }) => {
      const run = await api.get(`/runs/${part(String(runId))}`);
      return { contents: [{ uri: uri.href, mimeType: JSON_TYPE, text: JSON.stringify(run, undefined, 1) }] };
    },
  );
  server.registerResource(
    'run-file',
    new ResourceTemplate('skyagent://runs/{runId}/files/{+path}', { list: () => listReports(api) }),
    { title: 'A file of a run', description: 'A report, an artifact or another file of a run.' },
    async (uri, { runId, path }) => {
      const { bytes, mediaType } = await api.file(fileOf(String(runId), decodeURIComponent(String(path))));
      return { contents: [contentOf(uri.href, bytes, mediaType)] };
    },
  );
}

function contentOf(uri: string, bytes: Uint8Array, mediaType: string) {
  const mimeType = mediaType.split(';')[0]!;
  const isText = /^text\/|json$/.test(mimeType);
  return isText
    ? { uri, mimeType, text: new TextDecoder().decode(bytes) }
    : { uri, mimeType, blob: Buffer.from(bytes).toString('base64') };
}

async function listRuns(api: Api) {
  const { runs } = await api.get<{ runs: RunRow[] }>(`/runs?limit=${MOST_LISTED}`);
  return {
    resources: runs.map(({ id, title, status }) => ({
      uri: `skyagent://runs/${id}`,
      name: id,
      title: `${title} (${status})`,
      mimeType: JSON_TYPE,
    })),
  };
}

/** The reports of the newest runs: everything else is found by list_files. */
async function listReports(api: Api) {
  const { runs } = await api.get<{ runs: RunRow[] }>(`/runs?limit=${MOST_LISTED}`);
  const found = await Promise.all(
    runs.map(async ({ id, title }) => {
      const { artifacts } = await api.get<{ artifacts: { path: string; type: string; mediaType: string }[] }>(
        `/runs/${part(id)}/artifacts`,
      );
      return artifacts
        .filter(({ type }) => type === 'report')
        .map(({ path, mediaType }) => ({
          uri: `skyagent://runs/${id}/files/${path}`,
          name: path,
          title: `${title}: ${path}`,
          mimeType: mediaType,
        }));
    }),
  );
  return { resources: found.flat() };
}

/**
 * Subscriptions of a session: who has one for a run is told when the run has changed, until the session ends. Of all other
 * resources nothing changes, so nothing is ever told.
 */
export function registerSubscriptions(server: McpServer, api: Api): void {
  const watched = new Map<string, number>();
  const timer = setInterval(() => void look().catch(() => undefined), LOOK_MS);
  timer.unref();

  async function look(): Promise<void> {
    if (!server.isConnected()) return clearInterval(timer);
    for (const [uri, before] of watched) {
      const rev = await revOf(api, uri);
      if (rev === before || !watched.has(uri)) continue;
      watched.set(uri, rev);
      await server.server.sendResourceUpdated({ uri });
    }
  }

  server.server.setRequestHandler('resources/subscribe', async ({ params: { uri } }) => {
    if (watched.size < MOST_SUBSCRIPTIONS) watched.set(uri, await revOf(api, uri));
    return {};
  });
  server.server.setRequestHandler('resources/unsubscribe', ({ params: { uri } }) => {
    watched.delete(uri);
    return {};
  });
}

async function revOf(api: Api, uri: string): Promise<number> {
  const [, runId] = /^skyagent:\/\/runs\/([^/]+)/.exec(uri) ?? [];
  if (runId === undefined) return 0;
  const run = await api.get<{ rev: number }>(`/runs/${part(runId)}`).catch(() => undefined);
  return run?.rev ?? 0;
}
