import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import { packageRoot } from '../../src/setup/package-root.js';

const require = createRequire(import.meta.url);

async function cruiseTree(): Promise<ICruiseResult> {
  const { options, ...ruleSet } = require('../../.dependency-cruiser.cjs') as {
    options: object;
    forbidden: [];
  };
  const { output } = await cruise(
    ['events', 'machines', 'src'],
    { ...options, baseDir: packageRoot, ruleSet, validate: true },
    undefined,
    { tsConfig: extractTSConfig(`${packageRoot}/tsconfig.json`) },
  );
  return output as ICruiseResult;
}

describe('the architecture', () => {
  it('holds every import rule, on a tree that was really read', async () => {
    const { modules, summary } = await cruiseTree();
    const own = modules.filter(({ source }) => /^(events|machines|src)\//.test(source));
    expect(summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`)).toEqual([]);
    // A cruiser that cannot read TypeScript sees no module and finds no fault.
    expect(own.length).toBeGreaterThan(130);
    expect(
      own.find(({ source }) => source === 'src/log/jetstream.log.ts')?.dependencies.length,
    ).toBeGreaterThan(4);
  });
});
