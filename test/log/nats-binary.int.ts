import { execFile } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { findInstalledNatsServer, findNatsServer } from '../../src/log/embedded/nats-binary.js';
import { compiledFile } from '../../src/setup/package-root.js';
import { removeFolder, tempFolder } from '../support/temp.js';

const path = process.env.PATH;
let home: string;

beforeEach(async () => {
  home = await tempFolder();
  process.env.PATH = '';
});
afterEach(async () => {
  process.env.PATH = path;
  await removeFolder(home);
});

/** A program that says it is this version of nats-server. */
async function program(folder: string, version: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'nats-server');
  await writeFile(file, `#!/bin/sh\necho "nats-server: v${version}"\n`);
  await chmod(file, 0o755);
  return file;
}
/** What a process says that has no PATH (hence no apt), and for which a download ends as `fetched` says. */
async function whyNot(fetched: string): Promise<{ code: string; message: string; tried: string[] }> {
  const module = pathToFileURL(compiledFile('src/log/embedded/nats-binary.js')).href;
  const script = `
    globalThis.fetch = async () => { ${fetched} };
    const { findNatsServer } = await import(${JSON.stringify(module)});
    const { code, message, tried } = await findNatsServer(${JSON.stringify(home)}).catch((error) => error);
    process.stdout.write(JSON.stringify({ code, message, tried }));`;
  const options = { env: { PATH: join(home, 'empty') } };
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', script],
    options,
  );
  return JSON.parse(stdout) as { code: string; message: string; tried: string[] };
}

describe('the nats-server to start', () => {
  it('is the one on PATH, before the one of the home', async () => {
    const onPath = await program(join(home, 'path'), '2.12.0');
    await program(join(home, 'bin'), '2.15.1');
    process.env.PATH = join(home, 'path');
    expect(await findNatsServer(home)).toBe(onPath);
  });

  it('is the one of the home when the one on PATH is too old, and that is told', async () => {
    const old = await program(join(home, 'path'), '2.11.9');
    const inHome = await program(join(home, 'bin'), '2.15.1');
    process.env.PATH = join(home, 'path');
    const unusable: string[] = [];
    expect(await findInstalledNatsServer(home, unusable)).toBe(inHome);
    expect(unusable).toEqual([`${old} is version 2.11.9`]);
  });

  it('is none when nothing can be found or fetched, and every way that was tried is named', async () => {
    expect(await whyNot('throw new TypeError("fetch failed");')).toEqual({
      code: 'no-nats-server',
      tried: [
        'the official release: cannot be downloaded from here',
        'the Debian archive: this machine has no apt',
      ],
      message: [
        'no nats-server ≥ 2.12.0 could be found or fetched:',
        '  - the official release: cannot be downloaded from here',
        '  - the Debian archive: this machine has no apt',
        'Put one on PATH, or point NATS_URL at a running server.',
      ].join('\n'),
    });
  });

  it('is never what the server of the release answers with when that is not the release', async () => {
    const other = await whyNot('return new Response("<html>log in first</html>");');
    expect(other.tried[0]).toMatch(
      /^the official release: the archive has SHA-256 [0-9a-f]{64}, not the pinned [0-9a-f]{64}$/,
    );
    const refused = await whyNot('return new Response("", { status: 403 });');
    expect(refused.tried[0]).toBe('the official release: the download answered 403');
  });

  it('names a program that does not run', async () => {
    await mkdir(join(home, 'bin'));
    await writeFile(join(home, 'bin', 'nats-server'), '#!/nowhere/sh\n', { mode: 0o755 });
    const unusable: string[] = [];
    expect(await findInstalledNatsServer(home, unusable)).toBeUndefined();
    expect(unusable).toEqual([expect.stringContaining(`${join(home, 'bin', 'nats-server')} does not run: `)]);
  });
});
