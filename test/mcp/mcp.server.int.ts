import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, StreamableHTTPClientTransport, type CallToolResult } from '@modelcontextprotocol/client';
import { hangs, noop, planned, write } from '../support/server-missions.js';
import { rested, startServer, submit, submitAndRest, type TestServer } from '../support/server-test.js';
import { until } from '../support/wait.js';

let server: TestServer;
const clients: Client[] = [];
beforeAll(async () => {
  server = await startServer();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});
afterAll(() => server.stop());

type Era = 'legacy' | 'modern';
/** Answers what a person is asked. */
type Person = (message: string) => { action: 'accept' | 'decline'; content?: Record<string, string> };

async function connect(era: Era, person?: Person, headers: Record<string, string> = {}): Promise<Client> {
  const client = new Client(
    { name: 'test', version: '1' },
    {
      capabilities: person ? { elicitation: { form: {} } } : {},
      versionNegotiation: { mode: era === 'modern' ? { pin: '2026-07-28' } : 'legacy' },
    },
  );
  if (person) client.setRequestHandler('elicitation/create', ({ params }) => person(params.message));
  await client.connect(
    new StreamableHTTPClientTransport(new URL('/mcp', server.url), { requestInit: { headers } }),
  );
  clients.push(client);
  return client;
}

const call = async (client: Client, name: string, args: object = {}): Promise<CallToolResult> =>
  client.callTool({ name, arguments: args as Record<string, unknown> });
/** What a run answers with, as far as these tests look. */
interface Told {
  readonly runId: string;
  readonly events: object[];
  readonly needs: { stepId: string; argumentHash: string };
}
const structureOf = (result: CallToolResult): Told => {
  expect(result.isError ?? false).toBe(false);
  return result.structuredContent as Told;
};
const textOf = ({ content }: CallToolResult): string =>
  content.map((part) => ('text' in part ? part.text : '')).join('\n');

describe.each<Era>(['legacy', 'modern'])('an agent of the %s era', (era) => {
  it('finds a tool for every command and every query', async () => {
    const client = await connect(era);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name).toSorted()).toEqual([
      'act',
      'approve',
      'cancel_run',
      'follow_run',
      'fork_run',
      'get_run',
      'hand_back',
      'keep_controls',
      'list_artifacts',
      'list_events',
      'list_files',
      'list_runs',
      'list_steps',
      'list_templates',
      'pause_run',
      'raise_budget',
      'read_file',
      'reject',
      'resume_run',
      'retry_run',
      'settle_step',
      'skip_step',
      'submit_mission',
      'take_over',
    ]);
    for (const { name, description, inputSchema } of tools) {
      expect({ name, words: description!.length > 10 }).toEqual({ name, words: true });
      expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false });
    }
  });

  it('hands in a mission, follows it, and reads what it has made', async () => {
    const client = await connect(era);
    const progress: number[] = [];
    const plan = { steps: [write('a', 'outputs/a.txt', 'hello'), noop('b', { needs: ['a'] })] };
    const { runId } = structureOf(await call(client, 'submit_mission', { plan }));
    const followed = await client.callTool(
      { name: 'follow_run', arguments: { runId, seconds: 30 } },
      { onprogress: ({ progress: done }) => progress.push(done) },
    );
    expect(structureOf(followed)).toMatchObject({ id: runId, status: 'succeeded', stepsFinished: 2 });
    expect(progress.at(-1)).toBe(2);
    const file = await call(client, 'read_file', { runId, path: 'outputs/a.txt' });
    expect(structureOf(file)).toMatchObject({ text: 'hello', bytes: 5, truncated: false });
    const { events } = structureOf(await call(client, 'list_events', { runId }));
    expect(events.length).toBeGreaterThan(3);
  });

  it('hands in the same mission twice and gets the same run', async () => {
    const client = await connect(era);
    const mission = { ...planned([noop('a')]), idempotencyKey: `mcp-${era}` };
    const ids = [
      await call(client, 'submit_mission', mission),
      await call(client, 'submit_mission', mission),
    ];
    expect(new Set(ids.map((result) => structureOf(result).runId)).size).toBe(1);
  });

  it('is told what is wrong with a mission, and what is legal, so that it can do better', async () => {
    const client = await connect(era);
    const shape = await call(client, 'submit_mission', planned([noop('a', { needs: ['none'] })]));
    expect(shape.isError).toBe(true);
    expect(textOf(shape)).toContain('/plan/steps/0/needs/0: "none" is not the id of a step');
    const step = { id: 'a', title: 'a', do: 'workspace.call', with: { tool: 'fs.wirte' } };
    const wrong = await call(client, 'submit_mission', planned([step]));
    expect(wrong.isError).toBe(true);
    expect(textOf(wrong)).toContain('invalid-mission');
    expect(textOf(wrong)).toContain('/plan/steps/0/with/tool: there is no tool "fs.wirte"');
    const run = await submitAndRest(server, planned([noop('a')]));
    const illegal = await call(client, 'pause_run', { runId: run.id });
    expect(illegal.isError).toBe(true);
    expect(textOf(illegal)).toContain('legal now: retry, fork');
    expect(textOf(await call(client, 'get_run', { runId: 'run_none' }))).toContain('run-not-found');
  });

  it('pauses, resumes and cancels', async () => {
    const client = await connect(era);
    const { runId } = await submit(server, planned([hangs('a')]));
    structureOf(await call(client, 'pause_run', { runId, reason: 'a look' }));
    expect(structureOf(await call(client, 'follow_run', { runId }))).toMatchObject({ status: 'paused' });
    structureOf(await call(client, 'resume_run', { runId }));
    structureOf(await call(client, 'cancel_run', { runId }));
    expect(await rested(server, runId)).toMatchObject({ status: 'cancelled' });
  });

  it('has a person asked about a step, with what it would do, and gives the answer to the run', async () => {
    const asked: string[] = [];
    const client = await connect(era, (message) => {
      asked.push(message);
      return { action: 'accept', content: { decision: 'approve', note: 'go' } };
    });
    const send = write('send', 'outputs/sent.txt', 'dear {{ inputs.who }}', { approval: true });
    const { runId } = await submit(server, planned([send], { inputs: { who: 'Ada' } }));
    const result = await call(client, 'follow_run', { runId, seconds: 30 });
    expect(structureOf(result)).toMatchObject({ status: 'succeeded' });
    expect(asked).toEqual([expect.stringContaining('"dear Ada"')]);
  });

  it('has a person asked about a plan, who may reject it', async () => {
    const client = await connect(era, () => ({
      action: 'accept',
      content: { decision: 'reject', note: 'too dear' },
    }));
    const { runId } = await submit(server, planned([noop('a')], { approval: 'plan' }));
    const result = await call(client, 'follow_run', { runId, seconds: 30 });
    expect(structureOf(result)).toMatchObject({
      status: 'failed',
      failure: { message: 'a person rejected the plan: too dear' },
    });
  });

  it('leaves a question open that a person declines to answer', async () => {
    let asked = 0;
    const client = await connect(era, () => {
      asked++;
      return { action: 'decline' };
    });
    const { runId } = await submit(server, planned([noop('a', { approval: true })]));
    const result = await call(client, 'follow_run', { runId, seconds: 1 });
    expect(structureOf(result)).toMatchObject({ needs: { kind: 'step', stepId: 'a' } });
    expect(asked).toBe(1);
    await server.post(`/runs/${runId}/cancel`, {});
  });

  it('that can ask nobody is told what is open, and approves by a tool', async () => {
    const client = await connect(era);
    const { runId } = await submit(server, planned([noop('a', { approval: true })]));
    const { needs } = structureOf(await call(client, 'follow_run', { runId, seconds: 30 }));
    const { stepId, argumentHash } = needs;
    const stale = await call(client, 'approve', { runId, stepId, argumentHash: '0'.repeat(64) });
    expect(stale.isError).toBe(true);
    structureOf(await call(client, 'approve', { runId, stepId, argumentHash }));
    expect(structureOf(await call(client, 'follow_run', { runId }))).toMatchObject({ status: 'succeeded' });
  });

  it('reads runs and reports as resources, and templates as prompts', async () => {
    const client = await connect(era);
    const run = await submitAndRest(server, planned([write('a', 'outputs/né.txt', 'hello')]));
    const { contents } = await client.readResource({ uri: `skyagent://runs/${run.id}` });
    expect(JSON.parse((contents[0] as { text: string }).text)).toMatchObject({ status: 'succeeded' });
    const file = await client.readResource({
      uri: `skyagent://runs/${run.id}/files/outputs/${encodeURIComponent('né.txt')}`,
    });
    expect(file.contents[0]).toMatchObject({ text: 'hello', mimeType: 'text/plain' });
    await expect(client.readResource({ uri: `skyagent://runs/${run.id}/files/none.txt` })).rejects.toThrow(
      'file-not-found',
    );
    const { resources } = await client.listResources();
    expect(resources.map(({ uri }) => uri)).toContain(`skyagent://runs/${run.id}`);
    const { prompts } = await client.listPrompts();
    expect(prompts.map(({ name }) => name)).toContain('web_research');
    const prompt = await client.getPrompt({
      name: 'web_research',
      arguments: { topic: 'bees', urls: 'https://example.org/' },
    });
    expect(prompt.messages[0]!.content).toMatchObject({ text: expect.stringContaining('- topic: bees') });
  });
});

describe('a session', () => {
  it('is told when a run it has subscribed to changes', async () => {
    const client = await connect('legacy');
    const updated: string[] = [];
    client.setNotificationHandler(
      'notifications/resources/updated',
      ({ params }) => void updated.push(params.uri),
    );
    const { runId } = await submit(server, planned([hangs('a')]));
    const uri = `skyagent://runs/${runId}`;
    await client.subscribeResource({ uri });
    await server.post(`/runs/${runId}/cancel`, {});
    await until('it is told', () => updated.length > 0);
    expect(updated[0]).toBe(uri);
    await client.unsubscribeResource({ uri });
  });
});

describe('a client without a session', () => {
  it('listens, and is told when a run changes', async () => {
    const client = await connect('modern');
    const updated: string[] = [];
    client.setNotificationHandler(
      'notifications/resources/updated',
      ({ params }) => void updated.push(params.uri),
    );
    const { runId } = await submit(server, planned([hangs('a')]));
    const uri = `skyagent://runs/${runId}`;
    const subscription = await client.listen({ resourceSubscriptions: [uri] });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await server.post(`/runs/${runId}/cancel`, {});
    await until('it is told', () => updated.length > 0);
    expect(updated[0]).toBe(uri);
    await subscription.close();
  });
});

describe('a request of 2026-07-28, by hand', () => {
  const META = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
  };
  const post = (method: string, params: object, headers: Record<string, string> = {}) =>
    server.post<Record<string, never>>(
      '/mcp',
      { jsonrpc: '2.0', id: 1, method, params: { _meta: META, ...params } },
      {
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': method,
        ...headers,
      },
    );
  const bodyOf = ({
    text,
  }: {
    text: string;
  }): { result: Record<string, unknown>; error?: { code: number } } =>
    JSON.parse(
      text.startsWith('{')
        ? text
        : text
            .split('\n')
            .findLast((line) => line.startsWith('data: '))!
            .slice(6),
    );

  it('discovers the server without a session', async () => {
    const answer = await post('server/discover', {});
    expect(answer.status).toBe(200);
    expect(bodyOf(answer).result).toMatchObject({
      supportedVersions: ['2026-07-28'],
      resultType: 'complete',
    });
    expect(answer.headers['mcp-session-id']).toBeUndefined();
  });

  it('is refused when its headers say something else than its body', async () => {
    const answer = await post('tools/list', {}, { 'mcp-method': 'tools/call' });
    expect([answer.status, bodyOf(answer).error!.code]).toEqual([400, -32020]);
  });

  it('gets a question with a state that is signed: one that was changed is refused, and answers nothing', async () => {
    const { runId } = await submit(server, planned([noop('a', { approval: true })]));
    const params = { name: 'follow_run', arguments: { runId, seconds: 30 } };
    const headers = { 'mcp-name': 'follow_run' };
    const { result } = bodyOf(await post('tools/call', params, headers));
    expect(result).toMatchObject({
      resultType: 'input_required',
      inputRequests: { answer: { method: 'elicitation/create' } },
    });
    const state = result.requestState as string;
    const inputResponses = { answer: { action: 'accept', content: { decision: 'approve' } } };
    const forged = `${state.slice(0, -4)}AAAA`;
    const refused = bodyOf(
      await post('tools/call', { ...params, inputResponses, requestState: forged }, headers),
    );
    expect(refused.error?.code).toBe(-32602);
    expect((await server.get(`/runs/${runId}`)).body.status).toBe('awaiting-approval');
    const done = bodyOf(
      await post('tools/call', { ...params, inputResponses, requestState: state }, headers),
    );
    expect(done.result).toMatchObject({
      resultType: 'complete',
      structuredContent: { status: 'succeeded' },
    });
  });
});

describe('who may not ask', () => {
  const initialize = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } },
  };
  const accept = { accept: 'application/json, text/event-stream' };

  it('is a page, and whoever comes by another name of this machine', async () => {
    const page = await server.post('/mcp', initialize, { ...accept, origin: 'https://evil.example' });
    expect(page.status).toBe(403);
    const rebound = await server.post('/mcp', initialize, { ...accept, host: 'evil.example' });
    expect(rebound.status).toBe(403);
  });

  it('is whoever has no key, where keys are needed; and a key speaks in its own sessions alone', async () => {
    const guarded = await startServer({ SKYAGENT_API_KEYS: 'one,other' });
    try {
      expect((await guarded.post('/mcp', initialize, accept)).status).toBe(401);
      const as = (key: string) => ({ ...accept, authorization: `Bearer ${key}` });
      const opened = await guarded.post('/mcp', initialize, as('one'));
      expect(opened.status).toBe(200);
      const session = {
        'mcp-session-id': String(opened.headers['mcp-session-id']),
        'mcp-protocol-version': '2025-11-25',
      };
      const list = { jsonrpc: '2.0', id: 2, method: 'tools/list', params: {} };
      expect((await guarded.post('/mcp', list, { ...as('one'), ...session })).status).toBe(200);
      expect((await guarded.post('/mcp', list, { ...as('other'), ...session })).status).toBe(404);
    } finally {
      await guarded.stop();
    }
  });
});
