import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jsonOf, put, skyagent, start } from '../support/server-cli.js';
import { makeHome, type TestHome } from '../support/server-home.js';
import { hangs, noop, write } from '../support/server-missions.js';
import type { RunBody } from '../support/server-test.js';

let home: TestHome;
beforeAll(async () => {
  home = await makeHome();
  await put(home, 'two.json', {
    steps: [write('a', 'outputs/a.txt', '{{ inputs.word }}'), noop('b', { needs: ['a'] })],
  });
  await put(home, 'fails.json', { steps: [write('a', '../a.txt')] });
  await put(home, 'hangs.json', { steps: [hangs('a')] });
});
afterAll(() => home.remove());

const run = (args: string[], how?: Parameters<typeof skyagent>[2]) => skyagent(home, ['run', ...args], how);
const RUN = /run_[0-9A-HJKMNP-TV-Z]{26}/;

describe('skyagent run, without a server', () => {
  it('runs a plan to its end: 0, data on stdout, progress on stderr', async () => {
    const { code, stdout, stderr } = await run(['--plan', 'two.json', '--input', 'word=hello']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^succeeded {2}run_\w{26} in \d+\.\d s\n$/);
    const [runId] = RUN.exec(stdout)!;
    expect(stderr).toContain(`run ${runId}  http://127.0.0.1:`);
    expect(stderr).toMatch(/step\.succeeded {2}a {2}→ b\n/);
    expect(await readFile(join(home.folder, 'agentfs', 'missions', runId, 'outputs', 'a.txt'), 'utf8')).toBe(
      'hello',
    );
  });

  it('prints one JSON document with --json', async () => {
    const ended = await run(['--plan', 'two.json', '--input', 'word=x', '--json']);
    expect(ended.code).toBe(0);
    expect(jsonOf<RunBody>(ended)).toMatchObject({
      status: 'succeeded',
      stepsFinished: 2,
      steps: [{ id: 'a' }, { id: 'b' }],
    });
  });

  it('reads inputs from standard input, and --input goes before them', async () => {
    const args = ['--plan', 'two.json', '--inputs', '-', '--input', 'word=second', '--json'];
    const { id } = jsonOf<RunBody>(await run(args, { input: '{"word":"first"}' }));
    expect(await readFile(join(home.folder, 'agentfs', 'missions', id, 'outputs', 'a.txt'), 'utf8')).toBe(
      'second',
    );
  });

  it('ends with 1 when the run fails, and says why and what to do', async () => {
    const { code, stdout } = await run(['--plan', 'fails.json']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^failed {2}run_/);
    expect(stdout).toContain(
      'step a: path "../a.txt" is refused: it leaves the run\'s folder\n→ use a relative path inside the run’s folder\n',
    );
  });

  it('ends with 2 when the mission is refused, with a pointer', async () => {
    const { code, stdout, stderr } = await run(['--template', 'web_research', '--input', 'topic=x']);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('invalid-mission:\n  /inputs/urls: this input is required\n');
  });

  it('ends with 6 when a person is waited for, and says what is legal', async () => {
    const { code, stdout } = await run(['--plan', 'two.json', '--approval', 'plan']);
    expect(code).toBe(6);
    expect(stdout).toMatch(/^awaiting-approval {2}run_/);
    expect(stdout).toContain(
      'waits for a person; legal now: pause, cancel, approve, reject, skip, budget, takeover, fork\n',
    );
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('ends with 130 at %s, and the run is kept', async (signal) => {
    const program = start(home, ['run', '--plan', 'hangs.json']);
    await program.says(/step\.retried/);
    program.child.kill(signal);
    const { code, stdout, stderr } = await program.ended;
    expect([code, stdout]).toEqual([130, '']);
    const [runId] = RUN.exec(stderr)!;
    expect(stderr).toContain(`interrupted; the run is kept: skyagent runs show ${runId}\n`);
    const shown = jsonOf<RunBody>(await skyagent(home, ['runs', 'show', runId, '--json']));
    expect(shown).toMatchObject({ id: runId, status: 'executing' });
  });
});

describe('skyagent run, simulated', () => {
  const dry: [string, string[], Record<string, string>][] = [
    ['--dry-run', ['--dry-run'], {}],
    ['SKYAGENT_DRY_RUN=true', [], { SKYAGENT_DRY_RUN: 'true' }],
  ];
  it.each(dry)(
    'succeeds on the template’s sample with %s, and says that it did nothing',
    async (_, flags, env) => {
      expect(await run(['--template', 'web_research', ...flags], { env })).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^succeeded \(simulated\) {2}run_\w{26} in \d+\.\d s\n$/),
      });
    },
  );

  it('plans words alone, which without a dry run needs a model', async () => {
    const words = ['--objective', 'sort my invoices', '--runtime', 'desktop'];
    expect((await run([...words, '--dry-run'])).code).toBe(0);
    const real = await run(words);
    expect(real.code).toBe(1);
    expect(real.stdout).toContain('no model is configured to plan it');
  });
});
