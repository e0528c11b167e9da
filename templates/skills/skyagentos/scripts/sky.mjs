#!/usr/bin/env node
// One call of the SkyAgentOS HTTP API; prints one JSON object (report: text). See SKILL.md beside this folder.
import { openAsBlob } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';

const BASE = (process.env.SKYAGENT_URL ?? 'http://127.0.0.1:8787').replace(/\/$/, '');
const KEY = process.env.SKYAGENT_API_KEY;
const EXIT = { failed: 1, usage: 2, cancelled: 5, person: 6, unreachable: 9 };
const ENDED = new Set(['succeeded', 'failed', 'cancelled', 'quarantined']);
const MOST_REPORT = 20_000;

class Ended extends Error {
  constructor(code, message) {
    super(message);
    this.exitCode = code;
  }
}

async function ask(path, { method = 'GET', body, headers = {}, as = 'json' } = {}) {
  const json = body !== undefined && !(body instanceof FormData);
  const response = await fetch(BASE + path, {
    method,
    headers: {
      ...(KEY && { authorization: `Bearer ${KEY}` }),
      ...(json && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: json ? JSON.stringify(body) : body }),
  }).catch((error) => {
    throw new Ended(
      EXIT.unreachable,
      `no server answers at ${BASE}: ${error.cause?.message ?? error.message}`,
    );
  });
  if (response.ok) return response[as]();
  const problem = await response.json().catch(() => ({ detail: `status ${response.status}` }));
  const errors = (problem.errors ?? []).map(({ pointer, message }) => `${pointer}: ${message}`);
  const words = [
    problem.detail,
    ...errors,
    problem.legal && `legal now: ${problem.legal.join(', ')}`,
    problem.hint,
  ];
  throw new Ended(response.status === 422 ? EXIT.usage : EXIT.failed, words.filter(Boolean).join('\n'));
}

const post = (run, command, body) =>
  ask(`/runs/${encodeURIComponent(run)}/${command}`, { method: 'POST', body });

/** `k=v` and `k[]=v`; v is JSON where it is some, else text. */
function inputsOf(given = []) {
  const inputs = {};
  for (const each of given) {
    const [, name, list, text] = /^([^=[\]]+)(\[\])?=([^]*)$/.exec(each) ?? [];
    if (!name) throw new Ended(EXIT.usage, `--input ${each}: expected name=value`);
    let value = text;
    try {
      value = JSON.parse(text);
    } catch {
      // Not JSON: the text itself.
    }
    inputs[name] = list ? [...(inputs[name] ?? []), value] : value;
  }
  return inputs;
}

async function submit({ objective, template, plan, input, file, key, approval, 'dry-run': dryRun }) {
  const mission = {
    ...(objective && { objective }),
    ...(template && { template }),
    ...(plan && { plan: JSON.parse(plan) }),
    ...(input && { inputs: inputsOf(input) }),
    ...(approval && { approval }),
    ...(dryRun && { dryRun }),
  };
  const headers = key ? { 'idempotency-key': key } : {};
  if (!file) return ask('/missions', { method: 'POST', body: mission, headers });
  const form = new FormData();
  form.append('mission', JSON.stringify(mission));
  for (const path of file) form.append('files', await openAsBlob(path), basename(path));
  return ask('/missions', { method: 'POST', body: form, headers });
}

/** What a run waits to hear from a person. */
async function needsOf(run) {
  const { steps } = await ask(`/runs/${run.id}/steps`);
  const step = steps.find(({ state, asked }) => state === 'awaitingApproval' && asked);
  if (step) {
    const asked = await ask(`/runs/${run.id}/files/${step.asked.path}`);
    return { kind: 'step', stepId: step.id, title: step.title, argumentHash: step.asked.digest, asked };
  }
  const doubt = steps.find(({ state }) => state === 'inQuestion');
  if (doubt) return { kind: 'doubt', stepId: doubt.id, title: doubt.title };
  return run.status === 'awaiting-approval' ? { kind: 'plan' } : undefined;
}

async function wait(run, { seconds = '60' }) {
  const deadline = Date.now() + Number(seconds) * 1000;
  for (;;) {
    const left = Math.max(0, Math.min(5, Math.ceil((deadline - Date.now()) / 1000)));
    const now = await ask(`/runs/${encodeURIComponent(run)}`, { headers: { prefer: `wait=${left}` } });
    const needs = ENDED.has(now.status) ? undefined : await needsOf(now);
    const { id, status, stepsFinished, stepsTotal, failure } = now;
    const told = { runId: id, status, stepsFinished, stepsTotal, failure, ...(needs && { needs }) };
    if (needs || ENDED.has(status) || status === 'paused' || Date.now() >= deadline) return told;
  }
}

async function report(run) {
  const { artifacts } = await ask(`/runs/${encodeURIComponent(run)}/artifacts`);
  const found = artifacts.find(({ type, path }) => type === 'report' && path.endsWith('.md'));
  if (!found) throw new Ended(EXIT.failed, `run ${run} has no report`);
  const text = await ask(`/runs/${encodeURIComponent(run)}/files/${found.path}`, { as: 'text' });
  return text.slice(0, MOST_REPORT);
}

const commands = {
  templates: () => ask('/templates'),
  submit: (_run, options) => submit(options),
  wait,
  report,
  approve: (run, { step, hash, note }) => post(run, 'approve', { stepId: step, argumentHash: hash, note }),
  reject: (run, { step, reason }) => post(run, 'reject', { stepId: step, reason }),
  settle: (run, { step, outcome }) => post(run, 'settle', { stepId: step, outcome }),
  pause: (run, { reason }) => post(run, 'pause', { reason }),
  resume: (run, { note }) => post(run, 'resume', { note }),
  cancel: (run, { reason }) => post(run, 'cancel', { reason }),
};
const WITHOUT_RUN = new Set(['templates', 'submit']);
const text = { type: 'string' };
const list = { type: 'string', multiple: true };

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ...Object.fromEntries(
        [
          'objective',
          'template',
          'plan',
          'key',
          'approval',
          'seconds',
          'step',
          'hash',
          'note',
          'reason',
          'outcome',
        ].map((name) => [name, text]),
      ),
      input: list,
      file: list,
      'dry-run': { type: 'boolean' },
    },
  });
  const [name, run] = positionals;
  const command = commands[name];
  if (!command) throw new Ended(EXIT.usage, `expected one of: ${Object.keys(commands).join(', ')}`);
  if (!run && !WITHOUT_RUN.has(name)) throw new Ended(EXIT.usage, `${name} needs the id of a run`);
  const answer = await command(run, values);
  process.stdout.write(`${typeof answer === 'string' ? answer : JSON.stringify(answer)}\n`);
  if (name === 'wait') {
    if (answer.needs || answer.status === 'paused') process.exitCode = EXIT.person;
    else if (answer.status === 'cancelled') process.exitCode = EXIT.cancelled;
    else if (ENDED.has(answer.status) && answer.status !== 'succeeded') process.exitCode = EXIT.failed;
  }
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exitCode ?? (error.code?.startsWith('ERR_PARSE_ARGS') ? EXIT.usage : EXIT.failed);
}
