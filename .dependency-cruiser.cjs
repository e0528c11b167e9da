/** Who may import whom. Each rule is a sentence of the design. */
const only = (name, comment, packages, owner) => ({
  name,
  comment,
  severity: 'error',
  from: { path: '^(src|events|machines|desktop-daemon)/', pathNot: owner },
  to: { path: packages },
});
module.exports = {
  forbidden: [
    {
      name: 'events-import-zod-alone',
      comment:
        'The vocabulary imports zod and nothing else; the writer of the generated schemas also touches files.',
      severity: 'error',
      from: { path: '^events/', pathNot: '^events/write-schemas' },
      to: { pathNot: ['^events/', '(^|/)node_modules/zod/'] },
    },
    {
      name: 'machines-import-events-and-xstate',
      comment: 'The behaviour has no clock, randomness or I/O.',
      severity: 'error',
      from: { path: '^machines/' },
      to: { pathNot: ['^machines/', '^events/', '(^|/)node_modules/xstate/'] },
    },
    {
      name: 'nothing-imports-test',
      severity: 'error',
      from: { path: '^(src|events|machines|desktop-daemon)/' },
      to: { path: '^test/' },
    },
    only(
      'nats-lives-in-log',
      'src/log is the only owner of NATS; a desktop dials out by itself.',
      '@nats-io/',
      '^(src/log/|desktop-daemon/dial-out)',
    ),
    only(
      'orm-lives-in-projections',
      'src/projections is the only owner of MikroORM and SQLite.',
      '(@mikro-orm/|better-sqlite3)',
      '^src/projections/',
    ),
    only(
      'mcp-client-lives-in-workspace',
      'src/runtimes/workspace is the only owner of the MCP client; the command line asks it for tools.',
      '@modelcontextprotocol/client',
      '^src/(runtimes/workspace/mcp|cli/commands/mcp-tools)',
    ),
    only(
      'mcp-server-lives-in-mcp',
      'src/mcp is the only owner of the MCP server.',
      '@modelcontextprotocol/(server|node)',
      '^src/mcp/',
    ),
    only(
      'playwright-lives-in-browser',
      'src/runtimes/browser is the only owner of Playwright.',
      '(playwright-core|@sparticuz/)',
      '^src/runtimes/browser/',
    ),
    only(
      'nest-lives-in-the-host',
      'Only the gateway and the files that start it know Nest.',
      '@nestjs/',
      '^(src/(gateway/|serve\\.ts|app\\.modules\\.ts)|desktop-daemon/http\\.ts)',
    ),
    only(
      'nut-lives-in-the-screen-process',
      'nut.js takes its process with it: it is loaded by the screen process alone.',
      '(@nut-tree-fork/|/x11/|/sharp/)',
      '^desktop-daemon/screen/',
    ),
    {
      name: 'the-daemon-imports-events-alone',
      comment: 'The daemon is a process of its own, which may run on another machine.',
      severity: 'error',
      from: { path: '^desktop-daemon/' },
      to: { path: '^(src|machines)/' },
    },
    {
      name: 'nobody-imports-the-daemon',
      severity: 'error',
      from: { path: '^(src|machines|events)/' },
      to: { path: '^desktop-daemon/' },
    },
    {
      name: 'gateway-touches-no-log-adapter-and-no-orm',
      comment: 'HTTP parses, calls runs/ or a query, and maps errors.',
      severity: 'error',
      from: { path: '^src/gateway/' },
      to: { path: ['^src/log/(jetstream|memory|embedded)', '^src/projections/(database|projector)'] },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    enhancedResolveOptions: {
      conditionNames: ['skyagent-source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
    },
  },
};
