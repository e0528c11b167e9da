// Makes a clone ready: npm packages, build, nats-server. Runs on any Node from 18 on, before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const npm = process.env.npm_execpath;

const changed = (path) => (existsSync(path) ? statSync(path).mtimeMs : 0);

function newest(folder) {
  return readdirSync(join(root, folder), { recursive: true }).reduce(
    (latest, name) =>
      /\.(ts|mjs|sql)$/.test(name) ? Math.max(latest, changed(join(root, folder, name))) : latest,
    0,
  );
}

function run(what, command, args) {
  process.stderr.write(`${what} …\n`);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] });
  if (status === 0) return;
  process.stderr.write(`${what} failed${error ? `: ${error.message}` : ''}\n`);
  process.exit(status ?? 1);
}

const npmRun = (what, args) => (npm ? run(what, process.execPath, [npm, ...args]) : run(what, 'npm', args));
const pinnedNode = join(
  root,
  'node_modules',
  'node',
  'bin',
  process.platform === 'win32' ? 'node.exe' : 'node',
);

if (
  changed(join(root, 'package-lock.json')) > changed(join(root, 'node_modules', '.package-lock.json')) ||
  !existsSync(pinnedNode)
) {
  npmRun('installing packages', ['ci', '--no-audit', '--no-fund']);
}
const stamp = join(root, 'dist', '.built');
if (
  Math.max(
    ...['events', 'machines', 'src', 'desktop-daemon'].map(newest),
    changed(join(root, 'package.json')),
  ) > changed(stamp)
) {
  npmRun('building', ['run', '-s', 'build']);
  writeFileSync(stamp, '');
}
if (!existsSync(join(root, '.skyagent', 'bin', 'nats-server'))) {
  run('looking for nats-server', pinnedNode, [join(root, 'dist', 'src', 'setup', 'provision.js')]);
}
