import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { noop, planned, call, write } from '../support/server-missions.js';
import { startServer, submitAndRest, type ProblemBody, type TestServer } from '../support/server-test.js';
import type { Answer, Ask } from '../support/server-http.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.stop());

const JSON_TYPE = { 'content-type': 'application/json' };

/** Posts to /missions and checks what every refusal has in common. */
async function refused(request: Omit<Ask, 'method'>): Promise<Answer<ProblemBody>> {
  const before = await server.logged();
  const answer = await server.ask<ProblemBody>('/missions', {
    method: 'POST',
    headers: JSON_TYPE,
    ...request,
  });
  expectProblem(answer);
  expect(await server.logged()).toBe(before);
  return answer;
}

function expectProblem({ status, headers, body }: Answer<ProblemBody>): void {
  expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
  expect(body).toMatchObject({ status, type: `urn:skyagentos:problem:${body.code}` });
  expect(body.title).not.toBe('');
  expect(body.detail).not.toBe('');
}

describe('a body that is no mission', () => {
  const bodies: [string, Omit<Ask, 'method'>, number, string, string][] = [
    ['is not JSON', { body: '{"objective": ' }, 400, 'not-json', 'send one JSON object'],
    [
      'has another content type',
      { body: 'objective=x', headers: { 'content-type': 'text/plain' } },
      415,
      'not-json',
      'Content-Type: application/json',
    ],
    [
      'has no content type',
      { body: '{"objective":"x"}', headers: {} },
      415,
      'not-json',
      'Content-Type: application/json',
    ],
    [
      'is a form, which a web page may send unasked',
      { body: '{}', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
      415,
      'not-json',
      'Content-Type: application/json',
    ],
    [
      'is larger than 512 KiB',
      { body: JSON.stringify({ objective: 'x', inputs: { text: 'x'.repeat(600_000) } }) },
      413,
      'body-too-large',
      '512 KiB',
    ],
    ['is empty', { body: '' }, 422, 'invalid-mission', 'correct the fields'],
    ['is missing', { headers: {} }, 422, 'invalid-mission', 'correct the fields'],
    ['is null', { body: 'null' }, 422, 'invalid-mission', 'correct the fields'],
    ['is a list', { body: '[]' }, 422, 'invalid-mission', 'correct the fields'],
    [
      'is nested deeper than anybody means',
      { body: `{"objective":"x","inputs":{"deep":${'['.repeat(50_000)}${']'.repeat(50_000)}}}` },
      400,
      'body-too-deep',
      'flatter',
    ],
    [
      'holds half of a surrogate pair',
      { body: '{"objective":"\\ud83d"}' },
      400,
      'not-json',
      'well-formed Unicode',
    ],
    [
      'holds one behind a backslash',
      { body: '{"objective":"\\\\\\ud83d"}' },
      400,
      'not-json',
      'well-formed Unicode',
    ],
  ];

  it.each(bodies)('is refused when it %s', async (_, request, status, code, hint) => {
    const answer = await refused(request);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.body.hint).toContain(hint);
  });

  it('is refused before it is read when its announced length is too large', async () => {
    const answer = await refused({ headers: { ...JSON_TYPE, 'content-length': '9999999' }, body: '' });
    expect(answer.status).toBe(413);
  });
});

describe('a mission that is not valid', () => {
  const bad: [string, object, string, RegExp][] = [
    ['nothing is asked for', {}, '', /one of objective, template, plan is required/],
    [
      'the objective is blank',
      { objective: '   ' },
      '/objective',
      /expected string to have >=1 characters|Too small/,
    ],
    ['the objective is a number', { objective: 7 }, '/objective', /expected string/],
    [
      'the template is unknown',
      { template: 'wen_research' },
      '/template',
      /there is no template "wen_research"; there are: web_research/,
    ],
    [
      'there is a template and a plan',
      { template: 'web_research', plan: { steps: [noop('a')] } },
      '/plan',
      /a template or a plan, not both/,
    ],
    [
      'an input is missing',
      { template: 'web_research', inputs: { topic: 'tides' } },
      '/inputs/urls',
      /this input is required/,
    ],
    [
      'an input has the wrong type',
      { template: 'web_research', inputs: { topic: 'tides', urls: 'http://a/' } },
      '/inputs/urls',
      /must be array/,
    ],
    [
      'an item of an input does not fit',
      { template: 'web_research', inputs: { topic: 'tides', urls: ['ftp://a/'] } },
      '/inputs/urls/0',
      /must match pattern/,
    ],
    [
      'the template knows no such input',
      { template: 'web_research', inputs: { topic: 't', urls: ['http://a/'], url: 'x' } },
      '/inputs/url',
      /no such input/,
    ],
    ['the inputs are a list', { objective: 'x', inputs: [1] }, '/inputs', /expected record|expected object/],
    ['a field is unknown', { objective: 'x', dryrun: true }, '', /no such field: dryrun/],
    [
      'a limit is unknown',
      { objective: 'x', limits: { maxCoffee: 1 } },
      '/limits',
      /no such field: maxCoffee/,
    ],
    [
      'a limit is out of bounds',
      { objective: 'x', limits: { maxParallel: 0 } },
      '/limits/maxParallel',
      />=1/,
    ],
    [
      'the approval is not one there is',
      { objective: 'x', approval: 'sometimes' },
      '/approval',
      /"never"\|"plan"/,
    ],
    [
      'the runtime is not one there is',
      { objective: 'x', metadata: { runtime: 'toaster' } },
      '/metadata/runtime',
      /"browser"\|"desktop"\|"workspace"/,
    ],
    ['dryRun is a word', { objective: 'x', dryRun: 'yes' }, '/dryRun', /expected boolean/],
  ];

  it.each(bad)('is refused with a pointer when %s', async (_, mission, pointer, message) => {
    const { status, body } = await refused({ body: JSON.stringify(mission) });
    expect([status, body.code]).toEqual([422, 'invalid-mission']);
    expect(body.errors!.map((error) => error.pointer)).toContain(pointer);
    expect(body.errors!.find((error) => error.pointer === pointer)!.message).toMatch(message);
  });

  it('names all that is wrong at once', async () => {
    const { body } = await refused({
      body: JSON.stringify({ objective: 7, approval: 'sometimes', limits: { maxSteps: 0 } }),
    });
    expect(body.errors!.map(({ pointer }) => pointer).sort()).toEqual([
      '/approval',
      '/limits/maxSteps',
      '/objective',
    ]);
  });
});

describe('a plan that is not valid', () => {
  const browser = (actions: object[]): object => ({
    id: 'a',
    title: 't',
    do: 'browser.script',
    with: { actions },
  });
  const bad: [string, object[], string, RegExp][] = [
    ['it has no steps', [], '/plan/steps', />=1/],
    [
      'a step has no title',
      [{ id: 'a', do: 'workspace.call', with: { tool: 'noop' } }],
      '/plan/steps/0/title',
      /expected string/,
    ],
    ['a step id has a dot', [noop('a.b')], '/plan/steps/0/id', /expected a letter, then up to 62 letters/],
    ['a step id is used twice', [noop('a'), noop('a')], '/plan/steps/1/id', /step id "a" is used twice/],
    [
      'a need names no step',
      [noop('a', { needs: ['b'] })],
      '/plan/steps/0/needs/0',
      /"b" is not the id of a step/,
    ],
    [
      'needs form a cycle',
      [noop('a', { needs: ['b'] }), noop('b', { needs: ['a'] })],
      '/plan/steps/0/needs',
      /needs form a cycle: a → b → a/,
    ],
    [
      'a step needs itself',
      [noop('a', { needs: ['a'] })],
      '/plan/steps/0/needs',
      /needs form a cycle: a → a/,
    ],
    [
      'nobody does what a step does',
      [{ id: 'a', title: 't', do: 'coffee.make', with: {} }],
      '/plan/steps/0/do',
      /expected one of browser\.script, browser\.task, desktop\.script, desktop\.task, workspace\.call|Invalid/,
    ],
    [
      'there is no such tool',
      [call('a', 'fs.shred')],
      '/plan/steps/0/with/tool',
      /there is no tool "fs\.shred"; there are: noop, fs\.write, fs\.read, fs\.list, fs\.move, /,
    ],
    [
      'there is no such MCP server',
      [{ ...noop('a'), with: { server: 'shop', tool: 'order' } }],
      '/plan/steps/0/with/server',
      /no MCP server "shop" is configured/,
    ],
    [
      'an expression is not JSONata',
      [write('a', 'x.txt', '{{ inputs.( }}')],
      '/plan/steps/0/with',
      /“inputs\.\(” is not a JSONata expression/,
    ],
    [
      'a check is not JSONata',
      [noop('a', { expect: [{ jsonata: '1 +' }] })],
      '/plan/steps/0/expect/0/jsonata',
      /“1 \+” is not a JSONata expression/,
    ],
    [
      'forEach holds no expression',
      [noop('a', { forEach: 'inputs.list' })],
      '/plan/steps/0/forEach',
      /expected a \{\{ … \}\} expression/,
    ],
    [
      'a step names another runtime',
      [noop('a', { runtime: 'desktop' })],
      '/plan/steps/0/runtime',
      /runs in the workspace, not in the desktop/,
    ],
    [
      'an action is unknown',
      [browser([{ evaluate: { text: 'x' } }])],
      '/plan/steps/0/with/actions/0',
      /goto, back, forward, reload, click, doubleClick/,
    ],
    [
      'an action misses an argument',
      [browser([{ goto: {} }])],
      '/plan/steps/0/with/actions/0/goto/url',
      /expected string/,
    ],
    [
      'an action names no element',
      [browser([{ click: { nth: 1 } }])],
      '/plan/steps/0/with/actions/0/click',
      /expected one of role, label/,
    ],
    [
      'a retry has a typing error',
      [noop('a', { retry: { maximum: 2 } })],
      '/plan/steps/0/retry',
      /no such field: maximum/,
    ],
  ];

  it.each(bad)('is refused with a pointer when %s', async (_, steps, pointer, message) => {
    const { status, body } = await refused({ body: JSON.stringify(planned(steps)) });
    expect([status, body.code]).toEqual([422, 'invalid-mission']);
    expect(body.errors!.map((error) => error.pointer)).toContain(pointer);
    expect(body.errors!.find((error) => error.pointer === pointer)!.message).toMatch(message);
  });

  it('is refused when it has more steps than the mission allows', async () => {
    const mission = planned([noop('a'), noop('b')], { limits: { maxSteps: 1 } });
    const { body } = await refused({ body: JSON.stringify(mission) });
    expect(body.errors).toEqual([{ pointer: '/plan/steps', message: 'has 2 steps; limits.maxSteps is 1' }]);
  });
});

describe('inputs that are strange but JSON', () => {
  const strange: [string, string][] = [
    ['a key __proto__', '{"__proto__":{"polluted":true},"constructor":1}'],
    ['a whole surrogate pair, escaped', '{"text":"\\ud83d\\ude00"}'],
    ['words that only look like an escape', '{"text":"\\\\ud800"}'],
    ['a key that is empty, and one with a slash', '{"":1,"a/b~c":2}'],
    ['minus zero and a very small number', '{"zero":-0,"small":5e-324}'],
    ['line separators and a NUL', '{"text":"\\u2028\\u0000"}'],
    ['sixty levels of lists', `{"deep":${'['.repeat(60)}${']'.repeat(60)}}`],
  ];

  it.each(strange)('are kept as they are, and the run goes to its end: %s', async (_, inputs) => {
    const body = `{"plan":{"steps":[{"id":"a","title":"t","do":"workspace.call","with":{"tool":"noop"}}]},"inputs":${inputs}}`;
    const { body: accepted } = await server.ask<{ runId: string }>('/missions', {
      method: 'POST',
      headers: JSON_TYPE,
      body,
    });
    const run = await server.get(`/runs/${accepted.runId}`, { prefer: 'wait=30' });
    expect(run.body.status).toBe('succeeded');
    const { body: machine } = await server.get(`/runs/${accepted.runId}/machine`);
    expect(machine.status).toBe('succeeded');
  });

  it('are refused when a number has no JSON of its own', async () => {
    const { status } = await refused({ body: '{"objective":"x","inputs":{"much":1e999}}' });
    expect(status).toBe(422);
  });
});

describe('an expression that cannot be known to fail before it runs', () => {
  it('fails its step, naming the expression', async () => {
    const run = await submitAndRest(server, planned([write('a', 'x.txt', '{{ $sum("x") }}')]));
    expect(run).toMatchObject({ status: 'failed', failure: { kind: 'input', code: 'bad-expression' } });
    expect(run.failure!.message).toContain('$sum("x")');
  });

  it('fails its step when what it yields does not fit', async () => {
    const run = await submitAndRest(server, planned([write('a', '{{ inputs.nothing }}')]));
    expect(run).toMatchObject({ status: 'failed', failure: { kind: 'input', code: 'bad-arguments' } });
    expect(run.failure!.message).toContain('/with/args/path');
  });
});
