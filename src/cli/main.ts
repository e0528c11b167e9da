import { Command, CommanderError, Option } from 'commander';
import { ConfigError, loadConfig, type Config } from '../config.js';
import { CliError, EXIT } from './exit-codes.js';
import { progress } from './output.js';

/** The engine cannot be had: no nats-server, or one that does not answer. */
const UNREACHABLE: ReadonlySet<unknown> = new Set([
  'no-nats-server',
  'embedded-nats-failed',
  'log-unavailable',
]);

type Options = Record<string, unknown>;
type Run = (config: Config, options: never, ...args: never[]) => Promise<number | void>;

const program = new Command('skyagent')
  .description('The operating system for autonomous AI agents.')
  .version('0.1.0')
  .exitOverride()
  .configureOutput({ writeErr: (text) => process.stderr.write(text) })
  .showHelpAfterError('(see --help)');

/** Loads a command's code only when it is called: a short command must not pay for the long ones. */
function define(command: Command, load: () => Promise<{ run: Run }>): Command {
  return command.action(async (...given: unknown[]) => {
    const args = given.slice(0, -2) as never[];
    const options = given.at(-2) as Options;
    const { run } = await load();
    process.exitCode = (await run(loadConfig(), options as never, ...args)) ?? EXIT.succeeded;
  });
}

const collect = (value: string, before: string[] = []): string[] => [...before, value];
const json = new Option('--json', 'machine-readable output');

define(
  program
    .command('run')
    .description('submit a mission and follow it to its end')
    .option('--template <id>', 'use a mission template')
    .option('--objective <text>', 'what is wanted, in words')
    .option('--plan <file>', 'a plan as JSON')
    .option('--runtime <name>', 'browser, desktop or workspace')
    .option('--input <k=v>', 'one input; v is JSON or text, k[]=v adds to a list (may be repeated)', collect)
    .option('--inputs <file>', 'all inputs as JSON from a file, or - for standard input')
    .option('--file <path>', 'a file for the run, kept as inputs/<name> (may be repeated)', collect)
    .option('--allow-host <host>', 'an internal host the agent may open (may be repeated)', collect)
    .option('--only-host <host>', 'the only hosts the agent may open (may be repeated)', collect)
    .option(
      '--allow-app <name>',
      'a program that may be started on this machine’s desktop (may be repeated)',
      collect,
    )
    .option('--allow-folder <path>', 'a folder that may be looked into there (may be repeated)', collect)
    .option('--profile <name>', 'cookies and storage of this name, for the browser')
    .option('--record <what>', 'har, video or console of the browser (may be repeated)', collect)
    .option('--screenshots <when>', 'none, failures, changes or all')
    .option('--approval <when>', 'plan: a person approves the plan first')
    .option('--dry-run', 'simulate: no driver acts')
    .option('--detach', 'do not wait for the end (needs a running server)')
    .addOption(json),
  () => import('./commands/run.command.js'),
);
define(
  program
    .command('serve')
    .description('run the gateway, worker and projector until stopped')
    .option('--port <number>', 'port to listen on'),
  () => import('./commands/serve.command.js'),
);

const runs = program.command('runs').description('look at runs and control them');
define(
  runs
    .command('ls')
    .description('list runs, the newest first')
    .option('--status <list>', 'comma-separated')
    .option('--template <id>', 'of one template')
    .option('--limit <number>', '1 to 200', '20')
    .addOption(json),
  () => import('./commands/runs-ls.command.js'),
);
define(
  runs.command('show <run>').description('one run with its steps').addOption(json),
  () => import('./commands/runs-show.command.js'),
);
define(
  runs
    .command('events <run>')
    .description('the events of a run')
    .option('--follow', 'go on until the run ends')
    .addOption(json),
  () => import('./commands/runs-events.command.js'),
);
define(
  runs
    .command('traces <run>')
    .description('what the steps of a run did, action by action')
    .option('--step <id>', 'of one step')
    .addOption(json),
  () => import('./commands/runs-traces.command.js'),
);
define(
  runs
    .command('live <run>')
    .description('a link to the live view of a run, good once, for a minute (needs a running server)')
    .option('--lease <lease>', 'of your takeover: to act, and not only look')
    .addOption(json),
  () => import('./commands/runs-live.command.js'),
);
for (const name of ['pause', 'resume', 'cancel', 'approve', 'reject', 'skip']) {
  const command = runs.command(`${name} <run>`).description(`${name} a run`).addOption(json);
  if (name === 'resume' || name === 'approve') command.option('--note <text>', 'words for the run');
  else command.option('--reason <text>', 'why');
  if (name === 'resume') command.option('--replan', 'have the rest of the plan made anew');
  if (name === 'approve' || name === 'reject')
    command.option('--step <id>', 'the step that waits, instead of the plan');
  if (name === 'approve')
    command.option(
      '--argument-hash <digest>',
      'approve only what has this digest, as `asked` of the step says',
    );
  if (name === 'skip') command.description('go on without a step').requiredOption('--step <id>', 'the step');
  define(command, async () => ({ run: (await import('./commands/runs-control.command.js')).control(name) }));
}

define(
  runs
    .command('settle <run>')
    .description('say whether a step that was interrupted took effect')
    .requiredOption('--step <id>', 'the step in doubt')
    .requiredOption('--outcome <what>', 'confirmed: it happened; refuted: it did not')
    .addOption(json),
  async () => ({ run: (await import('./commands/runs-control.command.js')).control('settle') }),
);
define(
  runs
    .command('budget <run>')
    .description('raise limits of a run')
    .option('--max-steps <number>', 'steps')
    .option('--max-duration-ms <number>', 'milliseconds')
    .option('--max-tokens <number>', 'tokens')
    .option('--max-cost-usd <number>', 'US dollars')
    .addOption(json),
  () => import('./commands/runs-budget.command.js'),
);
define(
  runs
    .command('retry <run>')
    .description('a new run of the same mission')
    .option('--from-step <id>', 'take over what was finished before this step')
    .addOption(json),
  async () => ({ run: (await import('./commands/runs-derive.command.js')).retry }),
);
define(
  runs
    .command('fork <run>')
    .description('a new run that shares the history of another up to a revision')
    .requiredOption('--at-rev <number>', 'the last revision they share')
    .option('--plan <file>', 'another plan, as JSON')
    .option('--input <k=v>', 'another input (may be repeated)', collect)
    .addOption(json),
  async () => ({ run: (await import('./commands/runs-derive.command.js')).fork }),
);

const lease = ['--lease <lease>', 'the lease that the takeover printed'] as const;
const ttl = ['--ttl <seconds>', 'for how long, unless it is kept (default 60)'] as const;
define(
  runs
    .command('takeover <run>')
    .description('pause a run and take its controls')
    .option('--reason <text>', 'why')
    .option(...ttl)
    .addOption(json),
  async () => ({ run: (await import('./commands/runs-takeover.command.js')).takeover }),
);
define(
  runs
    .command('keep <run>')
    .description('keep the controls for longer')
    .requiredOption(...lease)
    .option(...ttl)
    .addOption(json),
  async () => ({ run: (await import('./commands/runs-takeover.command.js')).keep }),
);
define(
  runs
    .command('act <run>')
    .description('do something while you have the controls')
    .requiredOption(...lease)
    .requiredOption('--do <what>', 'as in a plan, e.g. browser.script')
    .requiredOption('--with <json>', 'its arguments, as JSON')
    .option('--record-text', 'record what was typed as it is, and not its length alone')
    .addOption(json),
  async () => ({ run: (await import('./commands/runs-takeover.command.js')).act }),
);
define(
  runs
    .command('handback <run>')
    .description('give the controls back to the run')
    .requiredOption(...lease)
    .option('--note <text>', 'words for the run')
    .option('--replan', 'have the rest of the plan made anew')
    .addOption(json),
  async () => ({ run: (await import('./commands/runs-takeover.command.js')).handback }),
);

const events = program.command('events').description('the event log');
define(
  events
    .command('tail')
    .description('events of all runs as they are written')
    .option('--from-start', 'the whole log first')
    .option('--limit <number>', 'stop after this many')
    .addOption(json),
  () => import('./commands/events-tail.command.js'),
);

define(
  program.command('templates').description('the mission templates').addOption(json),
  () => import('./commands/templates.command.js'),
);
define(
  program
    .command('replay')
    .description('fold a run’s history again; nothing is done')
    .requiredOption('--run <id>', 'the run')
    .option('--at <rev>', 'print the state at this revision')
    .addOption(json),
  () => import('./commands/replay.command.js'),
);
define(
  program
    .command('verify')
    .description('fold the whole log again and compare: chain, revisions, machine, rows; changes nothing')
    .option('--run <id>', 'one run alone')
    .addOption(json),
  () => import('./commands/verify.command.js'),
);
define(
  program
    .command('inspect')
    .description('feed runs to a Stately inspector over a WebSocket')
    .option('--run <id>', 'one run (default: all, as they happen)')
    .option('--port <number>', 'port of the WebSocket', '0')
    .option('--allow-origin <origin>', 'a page that may connect (may be repeated)', collect),
  () => import('./commands/inspect.command.js'),
);
define(
  program
    .command('doctor')
    .description('check what SkyAgentOS needs on this machine')
    .option('--fix', 'fetch what is missing')
    .addOption(json),
  () => import('./commands/doctor.command.js'),
);
define(
  program
    .command('desktop-daemon')
    .description(
      'let missions use this desktop; --help lists its options; handback, stop, status ask the one that runs',
    )
    .allowUnknownOption()
    .helpOption(false)
    .argument('[args...]'),
  async () => {
    const { run } = await import('./commands/desktop-daemon.command.js');
    return { run: (config: Config, options: object, args: string[]) => run(config, options, args) };
  },
);
const desktops = program.command('desktops').description('the desktops that are connected').addOption(json);
define(desktops, async () => ({ run: (await import('./commands/desktops.command.js')).list }));
define(
  desktops.command('handback <name>').description('give a desktop back to its run').addOption(json),
  async () => ({ run: (await import('./commands/desktops.command.js')).handback }),
);
define(
  desktops
    .command('stop <name>')
    .description('the kill switch: nothing acts on the desktop until it is handed back')
    .addOption(json),
  async () => ({ run: (await import('./commands/desktops.command.js')).stop }),
);

const files = program.command('files').description('the files of runs');
define(
  files
    .command('prune')
    .description('remove the files of runs that ended long ago; the log keeps what they did')
    .requiredOption('--older-than <age>', 'e.g. 12h, 30d, 8w')
    .option(
      '--status <list>',
      'succeeded, failed or cancelled, comma-separated',
      'succeeded,failed,cancelled',
    )
    .option('--dry-run', 'only tell what would be removed')
    .addOption(json),
  () => import('./commands/files-prune.command.js'),
);

const mcp = program
  .command('mcp')
  .description('serve MCP over standard input and output; or look after MCP servers');
define(mcp, () => import('./commands/mcp.command.js'));
define(
  mcp
    .command('tools <server>')
    .description('the tools of a server of SKYAGENT_MCP_SERVERS, and which were approved')
    .addOption(json),
  async () => ({ run: (await import('./commands/mcp-tools.command.js')).tools }),
);
define(
  mcp
    .command('approve <server> [tool...]')
    .description('approve tools of a server as they are now (default: all)')
    .addOption(json),
  async () => ({ run: (await import('./commands/mcp-tools.command.js')).approve }),
);
define(
  mcp
    .command('workspace <folder>')
    .description('serve the built-in tools over a folder, for any agent that speaks MCP'),
  () => import('./commands/mcp-workspace.command.js'),
);

const projections = program.command('projections').description('the read models');
define(
  projections.command('rebuild').description('fold the whole log into fresh rows').addOption(json),
  () => import('./commands/projections-rebuild.command.js'),
);
define(program.command('quickstart', { hidden: true }), () => import('./commands/quickstart.command.js'));

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = explain(error);
}
// A command that ends has closed what it opened; a socket that a library keeps for later must not hold the shell.
process.stdout.write('', () => process.exit());

function explain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.succeeded : EXIT.usage;
  const message = error instanceof Error ? error.message : String(error);
  progress(message);
  if (error instanceof CliError) return error.exitCode;
  const code = (error as { code?: unknown }).code;
  if (error instanceof ConfigError || code === 'cannot-serve') return EXIT.usage;
  return UNREACHABLE.has(code) ? EXIT.unreachable : EXIT.failed;
}
