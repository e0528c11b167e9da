import type { McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';

/** A template, as far as a prompt needs it. */
export interface PromptTemplate {
  readonly id: string;
  readonly title: string;
  readonly description: string;
  /** JSON Schema of its inputs. */
  readonly inputs: {
    readonly properties?: Readonly<Record<string, { readonly description?: string }>>;
    readonly required?: readonly string[];
  };
}

/** Each mission template as a prompt that asks the model to hand it in. */
export function registerPrompts(server: McpServer, templates: readonly PromptTemplate[]): void {
  for (const template of templates) {
    const { id, title, description, inputs } = template;
    const required = new Set(inputs.required);
    const fields = Object.entries(inputs.properties ?? {}).map(([name, { description: what }]) => {
      const field = z.string().describe(what ?? name);
      return [name, required.has(name) ? field : field.optional()] as const;
    });
    server.registerPrompt(
      id,
      { title, description, argsSchema: z.object(Object.fromEntries(fields)) },
      (given: Record<string, unknown>) => ({
        messages: [{ role: 'user', content: { type: 'text', text: textOf(template, given) } }],
      }),
    );
  }
}

function textOf({ id, description }: PromptTemplate, given: Readonly<Record<string, unknown>>): string {
  const inputs = Object.entries(given).filter(([, value]) => value !== undefined);
  const told = inputs.map(([name, value]) => `- ${name}: ${String(value)}`).join('\n');
  return [
    `Run the SkyAgentOS mission template \`${id}\`: ${description}`,
    inputs.length > 0 ? `Inputs:\n${told}` : 'Ask me for its inputs first.',
    'Use submit_mission with this template, then follow_run. Tell me how it ended and where its report is. ' +
      'Ask me before you approve anything.',
  ].join('\n\n');
}
