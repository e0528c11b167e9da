import { join } from 'node:path';
import type { Config } from '../../config.js';
import { loadTemplates } from '../../mission/templates.js';
import { packageRoot } from '../../setup/package-root.js';
import { print, printJson } from '../output.js';

export function run(_config: Config, options: { json?: boolean }): Promise<void> {
  const templates = loadTemplates(join(packageRoot, 'templates')).list();
  if (options.json)
    printJson(
      templates.map(({ id, title, description, inputs, sample }) => ({
        id,
        title,
        description,
        inputs,
        sample,
      })),
    );
  else
    for (const { id, title, description, inputs } of templates)
      print(`${id}  ${title}\n  ${description}\n  inputs: ${inputNames(inputs)}`);
  return Promise.resolve();
}

const inputNames = (schema: object): string =>
  Object.entries((schema as { properties?: Record<string, { description?: string }> }).properties ?? {})
    .map(([name, { description }]) => (description ? `${name} (${description})` : name))
    .join(', ');
