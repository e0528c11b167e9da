import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../src/setup/package-root.js';
import { brokenInvoices, sampleInvoices } from '../support/sample-invoices.js';
import { rested, startServer, type Accepted, type RunBody, type TestServer } from '../support/server-test.js';

interface Accounts {
  readonly url: string;
  readonly entries: Record<string, string>[];
  close(): Promise<void>;
}

let server: TestServer;
let accounts: Accounts;
let run: RunBody;
let questions: { id: string; state: string; asked: { path: string } | null }[];
beforeAll(async () => {
  server = await startServer({ SKYAGENT_ALLOW_HOSTS: '127.0.0.1' });
  const module = pathToFileURL(join(packageRoot, 'templates', 'invoice_processing', 'accounts.mjs')).href;
  const { startAccounts } = (await import(module)) as { readonly startAccounts: () => Promise<Accounts> };
  accounts = await startAccounts();
  const form = new FormData();
  form.append('mission', JSON.stringify({ template: 'invoice_processing', inputs: { url: accounts.url } }));
  for (const [name, bytes] of [...(await sampleInvoices()), ...brokenInvoices()])
    form.append('files', new Blob([bytes as unknown as ArrayBuffer]), name);
  const response = await fetch(`${server.url}/missions`, { method: 'POST', body: form });
  const { runId } = (await response.json()) as Accepted;
  await rested(server, runId);
  const { steps } = (await server.get<{ steps: typeof questions }>(`/runs/${runId}/steps`)).body;
  questions = steps.filter(({ state, asked }) => state === 'awaitingApproval' && asked);
  await server.post(`/runs/${runId}/approve`, { stepId: questions[0]!.id });
  run = await rested(server, runId);
}, 180_000);
afterAll(async () => {
  await accounts.close();
  await server.stop();
});

const fileOf = async (path: string): Promise<string> =>
  (await server.get(`/runs/${run.id}/files/${path}`)).text;

describe('twelve invoices and three that are not as they should be', () => {
  it('come to their end: what adds up is entered once, with what it says', () => {
    expect(run).toMatchObject({ status: 'succeeded', failure: null });
    const numbers = accounts.entries.map(({ number }) => number);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers).toHaveLength(13);
    expect(accounts.entries).toContainEqual({
      vendor: 'Mühle & Söhne GmbH',
      number: 'R-4711',
      date: '2026-03-14',
      currency: 'EUR',
      tax: '61.22',
      total: '383.42',
    });
  });

  it('have a person asked about the one whose total is wrong, with what would be entered', async () => {
    expect(questions).toHaveLength(1);
    const asked = await fileOf(questions[0]!.asked!.path);
    expect(asked).toContain('GT1043');
    expect(asked).toContain('"value":"424"');
    expect(accounts.entries.at(-1)).toMatchObject({ number: 'GT1043', total: '424' });
  });

  it('are told of in a table: entered, duplicate, refused', async () => {
    const rows = (await fileOf('outputs/invoices.csv')).trim().split('\n');
    expect(rows[0]).toBe('file,vendor,number,date,currency,lines,net,tax,total,status');
    expect(rows).toHaveLength(16);
    expect(rows.filter((row) => row.endsWith(',entered'))).toHaveLength(13);
    expect(rows.find((row) => row.startsWith('inputs/21-again.pdf'))).toContain(
      'duplicate of inputs/01-northwind.pdf',
    );
    expect(rows.find((row) => row.startsWith('inputs/22-scan.pdf'))).toContain('it is a scan');
  });

  it('are reported with what does not add up, and with the digest of each', async () => {
    const report = await fileOf('outputs/report.md');
    expect(report).toContain('12 entered as they are, 1 asked about, 1 duplicates, 1 refused.');
    expect(report).toContain('300 and 24 of tax are 324, and the total is 424');
    expect(report.match(/SHA-256 `[0-9a-f]{64}`/g)).toHaveLength(13);
  });

  it('say in the log that each entry was announced before it was made', async () => {
    const { events } = (
      await server.get<{ events: { type: string; data: { stepId?: string } }[] }>(
        `/runs/${run.id}/events?limit=200`,
      )
    ).body;
    const started = events.filter(
      ({ type, data }) => type === 'skyagent.step.started' && data.stepId?.startsWith('enter'),
    );
    expect(started).toHaveLength(13);
  });
});
