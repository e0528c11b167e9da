import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { link, mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runFiles, type RunFiles } from '../../src/agentfs/agentfs.js';
import { removeFolder, tempFolder } from '../support/temp.js';

let root: string;
let files: RunFiles;
const inside = (...path: string[]): string => join(files.folder, ...path);
beforeAll(async () => {
  root = await tempFolder();
  files = runFiles(root, 'run_1');
  await files.write('outputs/plain.txt', 'plain');
  await files.write('outputs/deep/er/plain.txt', 'plain');
  await writeFile(join(root, 'secret.txt'), 'secret');
  await mkdir(join(root, 'secrets'));
  await writeFile(join(root, 'secrets', 'a.txt'), 'secret');
  await mkdir(join(root, 'missions', 'run_10'), { recursive: true });
  await writeFile(join(root, 'missions', 'run_10', 'a.txt'), 'of another');
  await symlink('../../../secret.txt', inside('outputs', 'to-file'));
  await symlink(join(root, 'secret.txt'), inside('outputs', 'to-file-absolute'));
  await symlink('plain.txt', inside('outputs', 'to-inside'));
  await symlink('../../../secrets', inside('outputs', 'to-folder'));
  await symlink('deep', inside('outputs', 'to-inner-folder'));
  await symlink('to-folder', inside('outputs', 'chain-2'));
  await symlink('chain-2', inside('outputs', 'chain-3'));
  await symlink('nowhere', inside('outputs', 'dangling'));
  await symlink('../../../new.txt', inside('outputs', 'dangling-out'));
  await symlink('loop-b', inside('outputs', 'loop-a'));
  await symlink('loop-a', inside('outputs', 'loop-b'));
  await symlink('/proc/self/root', inside('outputs', 'to-root'));
  await symlink('/dev/stdin', inside('outputs', 'to-device'));
  await link(join(root, 'secret.txt'), inside('outputs', 'hard'));
  execFileSync('mkfifo', [inside('outputs', 'fifo')]);
});
afterAll(() => removeFolder(root));

const ATTEMPTS: readonly string[] = [
  // By words alone.
  '..',
  '../secret.txt',
  '../../secret.txt',
  '../run_10/a.txt',
  'outputs/..',
  'outputs/../../run_10/a.txt',
  'outputs/../outputs/plain.txt',
  './../run_1/outputs/plain.txt',
  'outputs/deep/../../../../secret.txt',
  '/etc/passwd',
  '//etc/passwd',
  '/',
  'C:/windows',
  'c:secret.txt',
  'outputs\\..\\..\\secret.txt',
  '..\\secret.txt',
  '\\\\host\\share',
  'outputs/plain.txt\0.png',
  '\0',
  '',
  '.',
  './',
  'x'.repeat(1025),
  `outputs/${'y'.repeat(256)}`,
  // By what lies there.
  'outputs/to-file',
  'outputs/to-file-absolute',
  'outputs/to-inside',
  'outputs/to-folder/a.txt',
  'outputs/to-folder/new.txt',
  'outputs/to-inner-folder/er/plain.txt',
  'outputs/chain-2/a.txt',
  'outputs/chain-3/a.txt',
  'outputs/dangling',
  'outputs/dangling-out',
  'outputs/dangling/new.txt',
  'outputs/loop-a',
  'outputs/loop-a/x',
  'outputs/to-root/etc/passwd',
  'outputs/to-device',
  'outputs/hard',
  'outputs/fifo',
  'outputs/fifo/x',
  'outputs/plain.txt/x',
  'outputs/deep',
];

describe('an attempt to leave the folder of a run', () => {
  it('is made in more than forty ways', () => {
    expect(ATTEMPTS.length).toBeGreaterThan(40);
  });

  it.each(ATTEMPTS)('%j is refused with one code, whatever is asked', async (path) => {
    const asked = [
      files.read(path),
      files.open(path),
      files.write(path, 'x'),
      files.move(path, 'outputs/moved.txt'),
      files.move('outputs/plain.txt', path),
      files.remove(path),
    ];
    for (const result of await Promise.allSettled(asked))
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'path-refused' } });
    expect(await readFile(join(root, 'secret.txt'), 'utf8')).toBe('secret');
    expect((await readdir(root)).toSorted()).toEqual(['missions', 'secret.txt', 'secrets']);
    expect(await readdir(join(root, 'secrets'))).toEqual(['a.txt']);
  });

  it('by an encoded path is a path like any other: nobody decodes it', async () => {
    await files.write('%2e%2e%2fsecret.txt', 'inside');
    expect(await readFile(inside('%2e%2e%2fsecret.txt'), 'utf8')).toBe('inside');
    await files.remove('%2e%2e%2fsecret.txt');
  });

  it('by a folder that is swapped for a link between the look and the use leads nowhere', async () => {
    const [folder, link] = [inside('race'), inside('race-link')];
    await mkdir(folder);
    let over = false;
    const attempt = (work: Promise<void>) => work.catch(() => undefined);
    // Moves alone: whoever writes may make the folder anew in between, and then a move fails or takes that one.
    const swapping = (async () => {
      for (let turn = 0; !over; turn++) {
        await attempt(symlink(join(root, 'secrets'), link));
        await attempt(rename(folder, inside(`race-aside-${turn}`)));
        await attempt(rename(link, folder));
        await attempt(rename(folder, link));
        await attempt(rename(folder, inside(`race-other-${turn}`)));
        await attempt(rename(inside(`race-aside-${turn}`), folder));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    const outcomes = { written: 0, refused: 0 };
    const until = performance.now() + 1_500;
    const hang = until + 20_000;
    const goesOn = () => performance.now() < until || (outcomes.written === 0 && performance.now() < hang);
    while (goesOn()) {
      await files.write('race/evil.txt', 'x').then(
        () => outcomes.written++,
        (error: { code?: string }) => {
          expect(['path-refused', 'file-not-found', 'ENOENT']).toContain(error.code);
          outcomes.refused++;
        },
      );
    }
    over = true;
    await swapping;
    expect(outcomes.written).toBeGreaterThan(0);
    expect(await readdir(join(root, 'secrets'))).toEqual(['a.txt']);
    expect(existsSync(join(root, 'secrets', 'evil.txt'))).toBe(false);
  });
});

describe('a run that would hold too much', () => {
  it('is stopped at its bytes and at its files, and may still write over what it has', async () => {
    const { createAgentFs } = await import('../../src/agentfs/agentfs.js');
    const small = createAgentFs({ root, maxBytes: 10, maxFiles: 2 }).filesOf('run_2');
    await small.write('a', '12345');
    await expect(small.write('b', '123456')).rejects.toMatchObject({ code: 'quota-exceeded' });
    await small.write('a', '1234567890');
    await small.write('a', '1');
    await small.write('b', '2');
    await expect(small.write('c', '')).rejects.toMatchObject({ code: 'quota-exceeded' });
    await small.remove('b');
  });
});
