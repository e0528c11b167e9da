import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { configTable, withConfigTable } from '../../src/setup/config-table.js';
import { packageRoot } from '../../src/setup/package-root.js';

const readme = readFileSync(join(packageRoot, 'README.md'), 'utf8');

describe('the README', () => {
  it('holds the table of settings as the schema has it; `npm run schemas` writes it', () => {
    expect(readme).toContain('<!-- settings -->\n| setting | default | what it is for |');
    expect(withConfigTable(readme)).toBe(readme);
  });

  it('shows a default where there is one', () => {
    expect(configTable()).toContain('| `SKYAGENT_PORT` | `8787` | port to listen on; 0 takes a free one |');
    expect(configTable()).toContain('| `NATS_URL` |  | JetStream to use instead of the embedded server |');
  });

  it('names only npm scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    const named = Array.from(readme.matchAll(/npm run (?:-s )?([a-z:]+)/g), (match) => match[1]!);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });
});
