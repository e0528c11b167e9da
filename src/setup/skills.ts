import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './package-root.js';

/**
 * One skill in two forms. OpenClaw reads what a skill needs only from an object in `metadata`; the Agent Skills
 * specification takes strings there, and who holds to it passes a skill with an object over. No file can serve both.
 */
const SOURCE = join(packageRoot, 'templates', 'openclaw', 'source');

interface SkillSource {
  readonly name: string;
  readonly description: string;
  readonly license: string;
  readonly compatibility: string;
  readonly openclaw: object;
}

/** Path below `templates/` → what is in the file. */
export function skillFiles(): ReadonlyMap<string, string> {
  const read = (name: string): string => readFileSync(join(SOURCE, name), 'utf8');
  const skill = JSON.parse(read('skill.json')) as SkillSource;
  const [body, script] = [read('body.md'), read('sky.mjs')];
  const common = ['name', 'description', 'license', 'compatibility'] as const;
  const head = common.map((field) => `${field}: ${JSON.stringify(skill[field])}`);
  const openclaw = [...head, `metadata: ${JSON.stringify({ openclaw: skill.openclaw })}`];
  const page = (fields: readonly string[], text: string): string =>
    `---\n${fields.join('\n')}\n---\n\n${text}`;
  return new Map([
    [`openclaw/${skill.name}/SKILL.md`, page(openclaw, body)],
    [`openclaw/${skill.name}/scripts/sky.mjs`, script],
    // Paths there are relative to the skill itself.
    [`skills/${skill.name}/SKILL.md`, page(head, body.replaceAll('{baseDir}/', ''))],
    [`skills/${skill.name}/scripts/sky.mjs`, script],
  ]);
}
