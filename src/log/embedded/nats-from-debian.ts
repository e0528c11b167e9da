import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TIMEOUT_MS = 120_000;
/** Newer suites than the machine's own, tried in order. */
const SUITES = ['testing', 'unstable'];

/** Where Debian's own packages keep the keys that sign the archive; apt's trusted keys serve where it is missing. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/**
 * Takes `nats-server` from a newer Debian suite with a private apt state, so that the system's sources, lists and
 * packages stay as they are. Where the archive is comes from the machine's own apt configuration.
 */
export async function provisionFromDebian(scratch: string): Promise<string> {
  const archive = await debianArchive();
  let last: unknown;
  for (const suite of SUITES) {
    try {
      return await fromSuite(join(scratch, suite), archive, suite);
    } catch (error) {
      last = error;
    }
  }
  throw new Error(`apt could not fetch it: ${shortest(last)}`, { cause: last });
}

async function debianArchive(): Promise<string> {
  const format = '$(REPO_URI)\t$(LABEL)\t$(COMPONENT)';
  const { stdout } = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']).catch(
    (error: unknown) => {
      throw new Error('this machine has no apt', { cause: error });
    },
  );
  for (const line of stdout.split('\n')) {
    const [uri, label, component] = line.split('\t');
    if (uri && label === 'Debian' && component === 'main') return uri;
  }
  throw new Error('apt knows no Debian archive; run apt-get update first');
}

async function fromSuite(folder: string, archive: string, suite: string): Promise<string> {
  for (const part of ['lists/partial', 'cache/archives/partial', 'out']) {
    await mkdir(join(folder, part), { recursive: true });
  }
  const sources = join(folder, 'sources.list');
  const signed = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : '';
  await writeFile(sources, `deb ${signed}${archive} ${suite} main\n`);
  const apart = [
    ['Dir::Etc::sourcelist', sources],
    ['Dir::Etc::sourceparts', '-'],
    ['Dir::State::lists', join(folder, 'lists')],
    ['Dir::Cache', join(folder, 'cache')],
    ['APT::Sandbox::User', ''],
    ['Acquire::Languages', 'none'],
  ].flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  const options = { cwd: join(folder, 'out'), timeout: TIMEOUT_MS };
  await run('apt-get', [...apart, 'update'], options);
  await run('apt-get', [...apart, 'download', 'nats-server'], options);
  const [deb] = (await readdir(options.cwd)).filter((name) => name.endsWith('.deb'));
  if (!deb) throw new Error(`${suite} has no nats-server`);
  await run('dpkg', ['-x', join(options.cwd, deb), join(folder, 'unpacked')]);
  return join(folder, 'unpacked', 'usr', 'sbin', 'nats-server');
}

const shortest = (error: unknown): string =>
  (error as { stderr?: string }).stderr?.trim().split('\n').at(-1) ?? (error as Error).message;
