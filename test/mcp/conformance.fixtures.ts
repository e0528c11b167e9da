import { setTimeout as sleep } from 'node:timers/promises';
import {
  fromJsonSchema,
  ResourceTemplate,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';

/** One red pixel, and a moment of silence. */
const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==';
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=';

const text = (value: string) => ({ type: 'text' as const, text: value });
const says = (value: string) => ({ content: [text(value)] });
const image = { type: 'image' as const, data: PNG, mimeType: 'image/png' };
const none = z.strictObject({});

/** What the public conformance suite wants to find in a server: nothing of it is part of SkyAgentOS. */
export function addConformanceFixtures(server: McpServer): void {
  server.server.registerCapabilities({ logging: {}, completions: {} });
  server.server.setRequestHandler('completion/complete', () => ({
    completion: { values: [], total: 0, hasMore: false },
  }));
  contents(server);
  behaviour(server);
  elicitations(server);
  resources(server);
  prompts(server);
}

function contents(server: McpServer): void {
  const gives = (name: string, content: object[]): void => {
    server.registerTool(
      name,
      { description: `Gives ${name}`, inputSchema: none },
      () => ({ content }) as never,
    );
  };
  const resource = (uri: string, mimeType: string, value: string) => ({
    type: 'resource',
    resource: { uri, mimeType, text: value },
  });
  gives('test_simple_text', [text('This is a simple text response for testing.')]);
  gives('test_image_content', [image]);
  gives('test_audio_content', [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }]);
  gives('test_embedded_resource', [
    resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.'),
  ]);
  gives('test_multiple_content_types', [
    text('Multiple content types test:'),
    image,
    resource('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
  ]);
  server.registerTool(
    'json_schema_2020_12_tool',
    {
      description: 'Tool with JSON Schema 2020-12 features',
      inputSchema: fromJsonSchema({
        $schema: 'https://json-schema.org/draft/2020-12/schema',
        type: 'object',
        $defs: {
          address: { type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } },
        },
        properties: { name: { type: 'string' }, address: { $ref: '#/$defs/address' } },
        additionalProperties: false,
      }),
    },
    () => says('ok'),
  );
}

function behaviour(server: McpServer): void {
  server.registerTool('test_error_handling', { description: 'Fails', inputSchema: none }, () => {
    throw new Error('This tool intentionally returns an error for testing');
  });
  server.registerTool(
    'test_tool_with_logging',
    { description: 'Logs', inputSchema: none },
    async (_args: unknown, { mcpReq }: ServerContext) => {
      for (const said of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
        await mcpReq.log('info', said);
        await sleep(50);
      }
      return says('done');
    },
  );
  server.registerTool(
    'test_tool_with_progress',
    { description: 'Tells how far it is', inputSchema: none },
    async (_args: unknown, { mcpReq }: ServerContext) => {
      const progressToken = mcpReq._meta?.progressToken;
      for (const progress of [0, 50, 100]) {
        if (progressToken !== undefined)
          await mcpReq.notify({
            method: 'notifications/progress',
            params: { progressToken, progress, total: 100 },
          });
        await sleep(50);
      }
      return says('done');
    },
  );
  server.registerTool(
    'test_sampling',
    { description: 'Asks the model of the client', inputSchema: z.object({ prompt: z.string() }) },
    async ({ prompt }: { prompt: string }, { mcpReq }: ServerContext) => {
      const answer = await mcpReq.requestSampling({
        messages: [{ role: 'user', content: text(prompt) }],
        maxTokens: 100,
      });
      return says(`LLM response: ${JSON.stringify(answer.content)}`);
    },
  );
  server.registerTool(
    'test_reconnection',
    { description: 'Closes its stream', inputSchema: none },
    async (_args: unknown, { http }: ServerContext) => {
      http?.closeSSE?.();
      await sleep(100);
      return says('reconnected');
    },
  );
}

type Schema = Parameters<ServerContext['mcpReq']['elicitInput']>[0] extends infer P
  ? P extends { requestedSchema: infer S }
    ? S
    : never
  : never;

function elicitations(server: McpServer): void {
  const asks = (name: string, properties: object, required: string[] = []): void => {
    server.registerTool(
      name,
      { description: `Asks for ${name}`, inputSchema: z.object({ message: z.string().optional() }) },
      async ({ message = 'Please answer' }: { message?: string | undefined }, { mcpReq }: ServerContext) => {
        const requestedSchema = { type: 'object', properties, required } as unknown as Schema;
        const { action, content } = await mcpReq.elicitInput({ mode: 'form', message, requestedSchema });
        return says(`Elicitation completed: action=${action}, content=${JSON.stringify(content ?? {})}`);
      },
    );
  };
  asks(
    'test_elicitation',
    {
      username: { type: 'string', description: "User's response" },
      email: { type: 'string', description: "User's email address" },
    },
    ['username', 'email'],
  );
  asks('test_elicitation_sep1034_defaults', {
    name: { type: 'string', default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  });
  const titled = (...titles: [string, string][]) => titles.map(([value, title]) => ({ const: value, title }));
  const choices = ['option1', 'option2', 'option3'];
  asks('test_elicitation_sep1330_enums', {
    untitledSingle: { type: 'string', enum: choices },
    titledSingle: {
      type: 'string',
      oneOf: titled(['value1', 'First Option'], ['value2', 'Second Option'], ['value3', 'Third Option']),
    },
    legacyEnum: {
      type: 'string',
      enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three'],
    },
    untitledMulti: { type: 'array', items: { type: 'string', enum: choices } },
    titledMulti: {
      type: 'array',
      items: {
        anyOf: titled(['value1', 'First Choice'], ['value2', 'Second Choice'], ['value3', 'Third Choice']),
      },
    },
  });
}

function resources(server: McpServer): void {
  const fixed = (name: string, uri: string, content: object): void => {
    const { mimeType } = content as { mimeType: string };
    server.registerResource(
      name,
      uri,
      { description: name, mimeType },
      () => ({ contents: [{ uri, ...content }] }) as never,
    );
  };
  fixed('static-text', 'test://static-text', {
    mimeType: 'text/plain',
    text: 'This is the content of the static text resource.',
  });
  fixed('static-binary', 'test://static-binary', { mimeType: 'image/png', blob: PNG });
  fixed('watched-resource', 'test://watched-resource', { mimeType: 'text/plain', text: 'watched' });
  fixed('example-resource', 'test://example-resource', { mimeType: 'text/plain', text: 'example' });
  server.registerResource(
    'template',
    new ResourceTemplate('test://template/{id}/data', { list: undefined }),
    { description: 'A template', mimeType: 'application/json' },
    (uri, { id }) => ({
      contents: [
        {
          uri: uri.href,
          mimeType: 'application/json',
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${String(id)}` }),
        },
      ],
    }),
  );
}

function prompts(server: McpServer): void {
  const user = (content: object) => ({ role: 'user', content });
  const prompt = (
    name: string,
    fields: string[],
    messages: (args: Record<string, string>) => object[],
  ): void => {
    const argsSchema = z.object(
      Object.fromEntries(fields.map((field) => [field, z.string().describe(field)])),
    );
    server.registerPrompt(name, { description: name, argsSchema }, (args: Record<string, string>) => ({
      messages: messages(args) as never,
    }));
  };
  prompt('test_simple_prompt', [], () => [user(text('This is a simple prompt for testing.'))]);
  prompt('test_prompt_with_arguments', ['arg1', 'arg2'], ({ arg1, arg2 }) => [
    user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  ]);
  prompt('test_prompt_with_embedded_resource', ['resourceUri'], ({ resourceUri: uri }) => [
    user({
      type: 'resource',
      resource: { uri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' },
    }),
    user(text('Please process the embedded resource above.')),
  ]);
  prompt('test_prompt_with_image', [], () => [user(image), user(text('Please analyze the image above.'))]);
}
