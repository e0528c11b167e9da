import { describe, expect, it } from '@jest/globals';
import { planSchema } from '#events/plan.js';
import { createHost, fakeDriver, step, stopHostsAfterEach } from '../support/host.js';

stopHostsAfterEach();

describe('a step that asks about each of its children', () => {
  const asking = [
    step('each', { forEach: '{{ ["x", "y"] }}', approval: 'each', onFailure: 'continue' }),
    step('after', { needs: ['each'] }),
  ];

  it('does what was approved, and not what was rejected', async () => {
    const host = await createHost();
    const driver = fakeDriver();
    await host.work(driver);
    const runId = await host.submit(asking);
    await host.ends(runId, 'awaiting-approval');
    expect(driver.asked).toEqual([]);
    expect(await host.told(runId)).toEqual(
      expect.arrayContaining(['step.approval-requested each.0', 'step.approval-requested each.1']),
    );
    await host.tell(runId, { kind: 'Approve', stepId: 'each.1' });
    await host.tell(runId, { kind: 'Reject', stepId: 'each.0' });
    await host.ends(runId, 'succeeded');
    expect(driver.asked.map(({ stepId }) => stepId)).toEqual(['each.1', 'after']);
  });

  it('asks nobody when there are none', async () => {
    const host = await createHost();
    await host.work(fakeDriver());
    const runId = await host.submit([step('each', { forEach: '{{ [] }}', approval: 'each' })]);
    await host.ends(runId, 'succeeded');
    expect(await host.told(runId)).toEqual([
      'run.created',
      'run.started',
      'step.expanded each',
      'run.succeeded',
    ]);
  });

  it('has children, or the plan is refused', () => {
    const { error } = planSchema.safeParse({ steps: [step('each', { approval: 'each' })] });
    expect(error?.issues[0]).toMatchObject({
      path: ['steps', 0, 'approval'],
      message: '"each" belongs to a step with forEach',
    });
  });
});
