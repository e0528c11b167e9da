import { configSchema } from '../config.js';

/** The README's table of settings, from the schema that reads them. */
export function configTable(): string {
  const presets: Record<string, unknown> = configSchema.parse({});
  const rows = Object.entries(configSchema.shape).map(([name, schema]) => {
    const preset = presets[name] === undefined ? '' : String(presets[name]);
    return `| \`${name}\` | ${preset && `\`${preset}\``} | ${schema.description ?? ''} |`;
  });
  return ['| setting | default | what it is for |', '|---|---|---|', ...rows].join('\n');
}

const MARKERS = /(<!-- settings -->\n)[\s\S]*?(\n<!-- \/settings -->)/;

/** A README with its table of settings as it is now. */
export const withConfigTable = (readme: string): string =>
  readme.replace(MARKERS, (_whole, before: string, after: string) => before + configTable() + after);
