import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from '@jest/globals';
import { planSchema } from '#events/plan.js';
import { checkMission, InvalidMissionError, planIssues } from '../../src/mission/check-mission.js';
import { bestIssues } from '../../src/mission/issues.js';
import { loadTemplates, TemplateError } from '../../src/mission/templates.js';
import { builtInTools } from '../../src/runtimes/workspace/workspace.driver.js';
import { packageRoot } from '../../src/setup/package-root.js';

const templates = loadTemplates(join(packageRoot, 'templates'));
const deps = { templates, tools: ['noop', 'fs.write'], servers: ['files'], driverNames: ['playwright'] };
const call = (id: string, more: object = {}) => ({
  id,
  title: id,
  do: 'workspace.call',
  with: { tool: 'noop' },
  ...more,
});
const script = (...actions: object[]) => ({ id: 'a', title: 'a', do: 'browser.script', with: { actions } });

/** What is wrong with a mission, as `pointer: message`. */
function issuesOf(body: unknown, dryRun = false): string[] {
  try {
    checkMission(body, dryRun, deps);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidMissionError);
    return (error as InvalidMissionError).issues.map(({ pointer, message }) => `${pointer}: ${message}`);
  }
}
const planIssuesOf = (...steps: object[]): string[] => issuesOf({ plan: { steps } });

describe('a mission', () => {
  it('that is sound comes out as it will be recorded', () => {
    expect(checkMission({ objective: 'buy milk' }, true, deps)).toEqual({
      objective: 'buy milk',
      inputs: {},
      metadata: {},
      limits: {},
      approval: 'never',
      dryRun: true,
    });
    expect(checkMission({ objective: 'buy milk', dryRun: false }, true, deps).dryRun).toBe(false);
  });

  it.each([null, 'buy milk', 3, []])('is no %j', (body) => {
    expect(issuesOf(body)).toEqual([expect.stringMatching(/^: expected object, received /)]);
  });

  it('that wants nothing says what is required', () => {
    expect(issuesOf({})).toEqual([': one of objective, template, plan is required']);
  });

  it('with a field nobody reads names it', () => {
    expect(issuesOf({ objective: 'x', budget: 3 })).toEqual([': no such field: budget']);
    expect(issuesOf({ objective: 'x', limits: { maxTurns: 3 } })).toEqual([
      '/limits: no such field: maxTurns',
    ]);
  });

  it('says all that is wrong with it in one sentence for people who read logs', () => {
    expect(() => checkMission({ objective: '', approval: 'maybe' }, false, deps)).toThrow(
      /^\/objective: .+; \/approval: .+$/,
    );
  });
});

describe('a mission by template', () => {
  const inputs = { topic: 'tides', urls: ['https://example.org/'] };

  it('is refused when there is no such template, and the ones there are are named', () => {
    expect(issuesOf({ template: 'web_reserch' })).toEqual([
      `/template: there is no template "web_reserch"; there are: ${templates
        .list()
        .map(({ id }) => id)
        .join(', ')}`,
    ]);
  });

  it('is refused for inputs that are missing, extra or wrong, each at its place', () => {
    expect(issuesOf({ template: 'web_research', inputs: {} })).toEqual([
      '/inputs/topic: this input is required',
      '/inputs/urls: this input is required',
    ]);
    expect(issuesOf({ template: 'web_research', inputs: { ...inputs, color: 'red' } })).toEqual([
      '/inputs/color: the template has no such input',
    ]);
    expect(issuesOf({ template: 'web_research', inputs: { topic: '', urls: ['ftp://x'] } })).toEqual([
      '/inputs/topic: must NOT have fewer than 1 characters',
      '/inputs/urls/0: must match pattern "^https?://"',
    ]);
  });

  it('takes in a dry run what is not given from the sample, and nothing else', () => {
    const mission = checkMission({ template: 'web_research', inputs: { topic: 'mine' } }, true, deps);
    expect(mission.inputs).toEqual({ topic: 'mine', urls: ['https://example.org/'] });
    expect(checkMission({ template: 'web_research', inputs }, false, deps).inputs).toEqual(inputs);
    expect(issuesOf({ template: 'web_research', inputs: { urls: 3 } }, true)).toEqual([
      '/inputs/urls: must be array',
    ]);
  });
});

describe('a plan', () => {
  it('is refused when it needs an unknown tool or server, and the tools there are are named', () => {
    expect(planIssuesOf(call('a', { with: { tool: 'fs.wirte' } }))).toEqual([
      '/plan/steps/0/with/tool: there is no tool "fs.wirte"; there are: noop, fs.write',
    ]);
    expect(planIssuesOf(call('a', { with: { server: 'shop', tool: 'order' } }))).toEqual([
      '/plan/steps/0/with/server: no MCP server "shop" is configured; there are: files',
    ]);
  });

  it('is refused when its needs go in a circle, or name nobody', () => {
    expect(planIssuesOf(call('a', { needs: ['b'] }), call('b', { needs: ['a'] }))).toEqual([
      '/plan/steps/0/needs: needs form a cycle: a → b → a',
    ]);
    expect(planIssuesOf(call('a', { needs: ['a'] }))).toEqual([
      '/plan/steps/0/needs: needs form a cycle: a → a',
    ]);
    expect(planIssuesOf(call('a', { needs: ['c'] }))).toEqual([
      '/plan/steps/0/needs/0: "c" is not the id of a step in this plan',
    ]);
  });

  it.each([
    ['with', call('a', { with: { tool: 'noop', args: { deep: ['{{ inputs. }}'] } } }), '/plan/steps/0/with'],
    ['forEach', call('a', { forEach: '{{ [1, }}' }), '/plan/steps/0/forEach'],
    ['expect', call('a', { expect: [{ jsonata: 'output. ' }] }), '/plan/steps/0/expect/0/jsonata'],
    ['a file check', call('a', { expect: [{ file: { path: '{{ ( }}' } }] }), '/plan/steps/0/expect/0'],
  ])('is refused when an expression of %s is none, which is quoted', (_, step, pointer) => {
    const [issue, ...others] = planIssuesOf(step);
    expect(others).toEqual([]);
    expect(issue).toMatch(new RegExp(`^${pointer}: “.+” is not a JSONata expression: .+`));
  });

  it('is refused when a success check is no expression', () => {
    const plan = { steps: [call('a')], success: [{ jsonata: 'true' }, { jsonata: 'steps.a.' }] };
    expect(issuesOf({ plan })).toEqual([
      expect.stringMatching(/^\/plan\/success\/1\/jsonata: “steps\.a\.” is not a JSONata/),
    ]);
  });

  it('is refused for an action there is not, and for one with a wrong field', () => {
    expect(planIssuesOf(script({ goot: { url: 'https://example.org' } }))).toEqual([
      expect.stringMatching(
        /^\/plan\/steps\/0\/with\/actions\/0: expected an object with one key of goto, .*click/,
      ),
    ]);
    const [wrong] = planIssuesOf(script({ goto: { url: 3 } }));
    expect(wrong).toMatch(/^\/plan\/steps\/0\/with\/actions\/0\/goto\/url: /);
  });

  it('is refused for a kind of step there is not', () => {
    expect(planIssuesOf(call('a', { do: 'mainframe.script' }))).toEqual([
      expect.stringMatching(/^\/plan\/steps\/0\/do: expected one of .*browser\.script/),
    ]);
  });

  it('is refused for a check there is not', () => {
    expect(planIssuesOf(call('a', { expect: [{ jsonnata: 'true' }] }))).toEqual([
      '/plan/steps/0/expect/0: expected an object with one key of jsonata, file, schema, text, status, quotes, page, field, request, download',
    ]);
  });

  it('is refused when a step names a runtime that does not fit what it does', () => {
    expect(planIssuesOf(call('a', { runtime: 'browser' }))).toEqual([
      '/plan/steps/0/runtime: a workspace.call step runs in the workspace, not in the browser',
    ]);
    expect(planIssuesOf(call('a', { runtime: 'workspace' }))).toEqual([]);
  });

  it('is refused when it names a driver that is not there, or one that could not do it', () => {
    const look = { ...script({ goto: { url: 'https://example.org' } }), drivers: ['playwright', 'skyvern'] };
    expect(planIssuesOf(look)).toEqual(['/plan/steps/0/drivers/1: no skyvern is configured']);
    const both = { ...deps, driverNames: ['playwright', 'skyvern'] };
    const { steps } = planSchema.parse({ steps: [look] });
    expect(planIssues({ steps }, { limits: {} }, both)).toEqual([
      {
        pointer: '/plan/steps/0/drivers/1',
        message: 'Skyvern follows no script: say what it is for in with.intent',
      },
    ]);
  });

  it('is refused when it has more steps than its mission may have', () => {
    const steps = [call('a'), call('b'), call('c')];
    expect(issuesOf({ plan: { steps }, limits: { maxSteps: 2 } })).toEqual([
      '/plan/steps: has 3 steps; limits.maxSteps is 2',
    ]);
    expect(issuesOf({ plan: { steps }, limits: { maxSteps: 3 } })).toEqual([]);
  });

  it('is refused for all that is wrong at once', () => {
    const issues = planIssuesOf(
      call('a', { with: { tool: 'nope' }, runtime: 'desktop' }),
      call('b', { forEach: '{{ ( }}', expect: [{ jsonata: ')' }] }),
    );
    expect(issues.map((issue) => issue.split(': ')[0])).toEqual([
      '/plan/steps/0/with/tool',
      '/plan/steps/0/runtime',
      '/plan/steps/1/forEach',
      '/plan/steps/1/expect/0/jsonata',
    ]);
  });
});

describe('the templates', () => {
  const tools = builtInTools.map(({ name }) => name);

  it('are there', () => {
    expect(templates.list().map(({ id }) => id)).toContain('web_research');
  });

  it.each(templates.list().map((template) => [template.id, template] as const))(
    '%s can be run as it is',
    (_, template) => {
      expect(
        planIssues(template.plan, { limits: {} }, { tools, servers: [], driverNames: ['playwright'] }),
      ).toEqual([]);
      const ajv = new Ajv2020({ strict: true, allErrors: true });
      expect(ajv.validate(template.inputs, template.sample)).toBe(true);
      expect(template.inputs.additionalProperties).toBe(false);
      expect(template.title.length * template.description.length).toBeGreaterThan(0);
    },
  );

  it('are refused with the file and the place when one cannot be read', () => {
    expect(() => loadTemplates('/nowhere')).toThrow(TemplateError);
    expect(() => loadTemplates('/nowhere')).toThrow('/nowhere/missions.json cannot be read: ENOENT');
  });

  it('are asked for by id', () => {
    expect(templates.get('web_research').title).toBe('Web research');
    expect(() => templates.get('none')).toThrow(/^there is no template "none"; there are: /);
  });
});

describe('a pointer', () => {
  it('is spelled as RFC 6901 has it', () => {
    const issues = planSchema.safeParse({
      steps: [call('a', { with: { tool: 'noop', args: { 'a/b~c': undefined } } })],
    });
    expect(issues.success || bestIssues(issues.error.issues)[0]!.pointer).toBe('/steps/0/with/args/a~1b~0c');
  });
});
