import { describe, expect, it } from '@jest/globals';
import { commandBodies } from '#events/run.commands.js';
import { DEFAULT_MAX_PARALLEL, DEFAULT_MAX_STEPS, missionRequestSchema } from '#events/mission.js';

const plan = { steps: [{ id: 'a', title: 'a step', do: 'workspace.call', with: { tool: 'noop' } }] };

const problemsOf = (mission: unknown): string[] =>
  (missionRequestSchema.safeParse(mission).error?.issues ?? []).map(
    ({ path, message }) => `${path.join('.')}: ${message}`,
  );

describe('a mission', () => {
  it.each([{ objective: 'buy milk' }, { template: 'news' }, { plan }, { objective: 'buy milk', plan }])(
    'is wanted by %j',
    (mission) => {
      expect(problemsOf(mission)).toEqual([]);
    },
  );

  it('comes out with everything it did not say', () => {
    expect(missionRequestSchema.parse({ objective: '  buy milk ' })).toEqual({
      objective: 'buy milk',
      inputs: {},
      metadata: {},
      limits: {},
      approval: 'never',
    });
  });

  it('is refused when it wants nothing', () => {
    expect(problemsOf({ inputs: { a: 1 } })).toEqual([': one of objective, template, plan is required']);
    expect(problemsOf({ objective: '   ' })).not.toEqual([]);
  });

  it('is refused with both a template and a plan', () => {
    expect(problemsOf({ template: 'news', plan })).toEqual([
      'plan: a mission has a template or a plan, not both: the template brings its own plan',
    ]);
  });

  it('is refused with a field nobody reads', () => {
    expect(problemsOf({ objective: 'buy milk', budget: 3 })).toEqual([': Unrecognized key: "budget"']);
    expect(problemsOf({ objective: 'buy milk', limits: { maxTurns: 3 } })).toEqual([
      'limits: Unrecognized key: "maxTurns"',
    ]);
  });

  it('is refused with a plan that is none, by the place in the plan', () => {
    const twice = { steps: [...plan.steps, ...plan.steps] };
    expect(problemsOf({ plan: twice })).toEqual(['plan.steps.1.id: step id "a" is used twice']);
  });

  it.each([{ maxSteps: 0 }, { maxParallel: 65 }, { maxDurationMs: 2_592_000_001 }, { maxSteps: 1.5 }])(
    'is refused with limits %j',
    (limits) => {
      expect(problemsOf({ objective: 'buy milk', limits })).toHaveLength(1);
    },
  );

  it('may carry any notes, of which two mean something', () => {
    const metadata = { team: { name: 'shop' }, runtime: 'desktop', allowHosts: ['127.0.0.1'] };
    expect(problemsOf({ objective: 'buy milk', metadata })).toEqual([]);
    expect(problemsOf({ objective: 'buy milk', metadata: { runtime: 'kitchen' } })).toHaveLength(1);
    expect(problemsOf({ objective: 'buy milk', metadata: { allowHosts: '127.0.0.1' } })).toHaveLength(1);
  });

  it('runs four steps at a time and a thousand in all unless it says otherwise', () => {
    expect([DEFAULT_MAX_PARALLEL, DEFAULT_MAX_STEPS]).toEqual([4, 1000]);
  });
});

describe('the body of a command', () => {
  it('may be empty', () => {
    const needsOne = new Set(['skip', 'budget', 'settle']);
    for (const [name, schema] of Object.entries(commandBodies))
      expect(schema.safeParse({}).success).toBe(!needsOne.has(name));
  });

  it.each(Object.entries(commandBodies))('refuses a field that %s does not have', (_name, schema) => {
    expect(schema.safeParse({ force: true }).success).toBe(false);
  });

  it('belongs to one of these commands', () => {
    expect(Object.keys(commandBodies)).toEqual([
      'pause',
      'resume',
      'cancel',
      'approve',
      'reject',
      'skip',
      'budget',
      'settle',
    ]);
  });

  it('holds words of a bounded length', () => {
    expect(commandBodies.pause.safeParse({ reason: 'x'.repeat(2001) }).success).toBe(false);
    expect(commandBodies.resume.safeParse({ note: 'x'.repeat(10_000) }).success).toBe(true);
  });
});
