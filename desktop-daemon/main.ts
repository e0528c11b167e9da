import { environment, setEnvironment } from './environment.js';
import { createDaemon } from './daemon.js';
import { createChildScreen } from './screen/child.screen.js';
import { HELP, readSettings, SettingsError, type Settings } from './settings.js';
import { startVirtualDisplay } from './virtual-display.js';
import { tokenIn } from './token.js';

const EXIT_USAGE = 2;
const report = (line: string): void => void process.stderr.write(`${line}\n`);

/** The computer-use daemon, as a process of its own: `node dist/desktop-daemon/main.js --help`. */
async function start(settings: Settings): Promise<void> {
  const token = await tokenIn(settings.tokenFile);
  const { hotkey } = settings;
  const virtual = settings.virtual === undefined ? undefined : await startVirtualDisplay(settings.virtual);
  if (virtual) setEnvironment(virtual.environment);
  const display = virtual?.display ?? settings.display;
  const daemon = createDaemon(
    { ...settings, display },
    createChildScreen({ display, hotkey, report }),
    report,
  );
  // Loaded late: wrong settings are told at once.
  const { serveHttp } = await import('./http.js');
  const http = await serveHttp(daemon, settings, token, report);
  const info = await daemon.info();
  if (info.problem) report(`no screen: ${info.problem.message}; ${info.problem.hint}`);
  const { nats, name, labels } = settings;
  const line = nats && (await import('./dial-out.js')).dialOut(daemon, { where: nats, name, labels }, report);
  report(`desktop ${name} on ${http.url}; the token is in ${settings.tokenFile}`);
  if (settings.json)
    process.stdout.write(
      `${JSON.stringify({ url: http.url, name, pid: process.pid, display, authority: virtual?.environment.XAUTHORITY })}\n`,
    );

  let stopping = false;
  const stop = async (code = 0): Promise<void> => {
    if (stopping) return;
    stopping = true;
    await Promise.race([line?.close(), new Promise((resolve) => setTimeout(resolve, 1000))]);
    await http.close();
    await daemon.close();
    await virtual?.close();
    process.exit(code);
  };
  virtual?.onEnd(() => {
    report('the virtual screen has gone');
    void stop(1);
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop());
  // Whoever started it holds its standard input open: it does not outlive them.
  if (settings.endsWithStdin) process.stdin.resume().on('end', () => void stop());
}

/** Hands the desktop back, stops it, or tells how it stands: asked of the daemon that runs on this machine. */
async function askRunning(
  { host, port, tls, tokenFile }: Settings,
  what: 'handback' | 'stop' | 'status',
): Promise<void> {
  const token = await tokenIn(tokenFile);
  const url = `${tls ? 'https' : 'http'}://${host}:${port}`;
  const isQuestion = what === 'status';
  const answer = await fetch(`${url}/v1/${isQuestion ? 'info' : 'control'}`, {
    headers: { authorization: `Bearer ${token}`, ...(!isQuestion && { 'content-type': 'application/json' }) },
    ...(!isQuestion && { method: 'POST', body: JSON.stringify({ do: what }) }),
  }).catch(() => {
    throw new SettingsError(`no daemon answers on ${url}`);
  });
  process.stdout.write(`${JSON.stringify(await answer.json())}\n`);
  if (!answer.ok) process.exitCode = 1;
}

try {
  const settings = readSettings(process.argv.slice(2), environment());
  if (settings?.ask) await askRunning(settings, settings.ask);
  else if (settings) await start(settings);
  else process.stdout.write(HELP);
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  report(
    error instanceof SettingsError || code === 'EADDRINUSE' || code === 'ENOENT'
      ? message
      : `cannot start: ${message}`,
  );
  process.exit(error instanceof SettingsError ? EXIT_USAGE : 1);
}
