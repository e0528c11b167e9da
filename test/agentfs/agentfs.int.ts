import { execFileSync } from 'node:child_process';
import { link, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FileNotFoundError, PathRefusedError, runFiles, type RunFiles } from '../../src/agentfs/agentfs.js';
import { removeFolder, tempFolder } from '../support/temp.js';

let root: string;
let files: RunFiles;
beforeEach(async () => {
  root = await tempFolder();
  files = runFiles(root, 'run_1');
  await mkdir(join(root, 'missions', 'run_1', 'outputs'), { recursive: true });
  await writeFile(join(root, 'secret.txt'), 'secret');
});
afterEach(() => removeFolder(root));

const inside = (...path: string[]): string => join(root, 'missions', 'run_1', ...path);
const textOf = async (path: string): Promise<string> => new TextDecoder().decode(await files.read(path));
/** Every way to touch a path. */
const touches = (path: string): Promise<unknown>[] => [
  files.read(path),
  files.write(path, 'x'),
  files.move(path, 'outputs/moved.txt'),
  files.move('outputs/plain.txt', path),
];
async function expectRefused(path: string): Promise<void> {
  await files.write('outputs/plain.txt', 'plain');
  for (const result of await Promise.allSettled(touches(path))) {
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'path-refused', path } });
  }
}

describe('a path', () => {
  it.each([
    '',
    '.',
    '/',
    '/etc/passwd',
    '..',
    '../run_2/outputs/a.txt',
    'outputs/../../run_2/a.txt',
    'outputs/..',
    'C:/windows',
    'outputs\\..\\..\\secret.txt',
    'outputs/a\0.txt',
    'x'.repeat(1025),
  ])('%j is refused', async (path) => {
    await expectRefused(path);
  });

  it('never leads out of the folder, whatever it is made of', async () => {
    const part = fc.constantFrom(
      '..',
      '.',
      '',
      'a',
      'outputs',
      '/',
      '\\',
      '\0',
      'C:',
      '~',
      '%2e%2e',
      '..\\',
      '‥',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 8 }), async (parts) => {
        await files
          .write(parts.join('/'), 'x')
          .catch((error: unknown) => expect(error).toBeInstanceOf(PathRefusedError));
        expect((await readdir(root)).toSorted()).toEqual(['missions', 'secret.txt']);
        expect(await readdir(join(root, 'missions'))).toEqual(['run_1']);
      }),
      { numRuns: 150 },
    );
  });

  it('may hold dots, blanks and letters of any script', async () => {
    for (const path of [
      'outputs/..a',
      'outputs/a..b',
      'outputs/ a b',
      'outputs/été/日本.txt',
      './outputs//a.txt',
    ]) {
      await files.write(path, path);
      expect(await textOf(path)).toBe(path);
    }
  });

  it('to a run whose id begins with the same letters is another run', async () => {
    await runFiles(root, 'run_10').write('outputs/a.txt', 'of ten');
    expect(await files.exists('outputs/a.txt')).toBe(false);
    await expect(files.read('../run_10/outputs/a.txt')).rejects.toThrow(PathRefusedError);
  });
});

describe('a link', () => {
  it.each([
    ['to a file outside', '../../../secret.txt'],
    ['to a file inside', 'plain.txt'],
    ['to nothing', 'nowhere'],
  ])('%s is refused', async (_, target) => {
    await symlink(target, inside('outputs', 'link'));
    await expectRefused('outputs/link');
    expect(await readFile(join(root, 'secret.txt'), 'utf8')).toBe('secret');
  });

  it('to a folder is refused, whatever is asked of it', async () => {
    await symlink(root, inside('outputs', 'link'));
    await expectRefused('outputs/link/secret.txt');
    await expectRefused('outputs/link/new/file.txt');
    await expect(files.list('outputs/link')).rejects.toThrow(PathRefusedError);
    expect(await readdir(root)).not.toContain('new');
  });

  it('in the place of a folder of the run is refused', async () => {
    await symlink(root, inside('artifacts'));
    await expect(
      files.keep('x', { type: 'text', mediaType: 'text/plain', extension: 'txt' }),
    ).rejects.toThrow(PathRefusedError);
  });

  it('that is hard is refused, for reading and for writing', async () => {
    await link(join(root, 'secret.txt'), inside('outputs', 'hard'));
    await expect(files.read('outputs/hard')).rejects.toThrow(PathRefusedError);
    await expect(files.write('outputs/hard', 'x')).rejects.toThrow(PathRefusedError);
    expect(await readFile(join(root, 'secret.txt'), 'utf8')).toBe('secret');
  });

  it('or a device does not exist for who asks, and is not listed', async () => {
    await files.write('outputs/plain.txt', 'x');
    await symlink('../../../secret.txt', inside('outputs', 'link'));
    execFileSync('mkfifo', [inside('outputs', 'fifo')]);
    expect(await files.exists('outputs/link')).toBe(false);
    expect(await files.exists('outputs/fifo')).toBe(false);
    expect((await files.list('outputs')).map(({ path }) => path)).toEqual(['outputs/plain.txt']);
  });
});

describe('what is no plain file', () => {
  it('is refused: a pipe, without waiting for somebody to write into it', async () => {
    execFileSync('mkfifo', [inside('outputs', 'fifo')]);
    await expect(files.read('outputs/fifo')).rejects.toThrow(PathRefusedError);
    await expect(files.write('outputs/fifo', 'x')).rejects.toThrow(PathRefusedError);
  });

  it('is refused: a folder, and a path that goes through a file', async () => {
    await files.write('outputs/a.txt', 'x');
    await expect(files.read('outputs')).rejects.toThrow(PathRefusedError);
    await expect(files.write('outputs', 'x')).rejects.toThrow(PathRefusedError);
    await expect(files.write('outputs/a.txt/b.txt', 'x')).rejects.toThrow(PathRefusedError);
  });

  it('or is not there at all is told apart', async () => {
    await expect(files.read('outputs/none.txt')).rejects.toThrow(FileNotFoundError);
    await expect(files.read('none/none.txt')).rejects.toMatchObject({
      code: 'file-not-found',
      path: 'none/none.txt',
    });
    await expect(files.move('outputs/none.txt', 'outputs/b.txt')).rejects.toThrow(FileNotFoundError);
    expect(await files.exists('none/none.txt')).toBe(false);
  });
});

describe('a write', () => {
  it('answers the digest and the size of what is now in the file', async () => {
    expect(await files.write('outputs/deep/er/hello.txt', 'hello')).toEqual({
      path: 'outputs/deep/er/hello.txt',
      digest: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
      bytes: 5,
    });
    expect(await textOf('outputs/deep/er/hello.txt')).toBe('hello');
  });

  it('makes no folder before something is written', async () => {
    const other = runFiles(root, 'run_2');
    expect(await other.list('.')).toEqual([]);
    expect(await readdir(join(root, 'missions'))).toEqual(['run_1']);
  });

  it('leaves no temporary file, whether it works or not', async () => {
    await files.write('outputs/a.txt', 'one');
    await files.write('outputs/a.txt', 'two');
    await mkdir(inside('outputs', 'folder'));
    await expect(files.write('outputs/folder', 'x')).rejects.toThrow(PathRefusedError);
    expect((await readdir(inside('outputs'))).toSorted()).toEqual(['a.txt', 'folder']);
  });

  it('shows a reader the old text or the new one, never half of one', async () => {
    const texts = ['a', 'b'].map((letter) => letter.repeat(200_000));
    await files.write('outputs/a.txt', texts[0]!);
    const writing = (async () => {
      for (let turn = 0; turn < 20; turn++) await files.write('outputs/a.txt', texts[turn % 2]!);
    })();
    const seen: string[] = [];
    for (let turn = 0; turn < 40; turn++) seen.push(await textOf('outputs/a.txt'));
    await writing;
    expect(seen.every((text) => texts.includes(text))).toBe(true);
    expect(await readdir(inside('outputs'))).toEqual(['a.txt']);
  });
});

describe('the files of a run', () => {
  it('are listed in order, with digest and size, below a folder or all of them', async () => {
    await files.write('outputs/b.txt', 'b');
    await files.write('outputs/a/c.txt', 'cc');
    await files.write('logs/x.log', 'x');
    await files.write('outputs/notes.tmp', 'named by a person');
    expect((await files.list('outputs')).map(({ path, bytes }) => [path, bytes])).toEqual([
      ['outputs/a/c.txt', 2],
      ['outputs/b.txt', 1],
      ['outputs/notes.tmp', 17],
    ]);
    expect((await files.list('.')).map(({ path }) => path)).toEqual([
      'logs/x.log',
      'outputs/a/c.txt',
      'outputs/b.txt',
      'outputs/notes.tmp',
    ]);
    expect(await files.list('')).toEqual(await files.list('.'));
    expect(await files.list('nowhere')).toEqual([]);
  });

  it('are moved whole, also over another', async () => {
    await files.write('outputs/a.txt', 'a');
    await files.write('outputs/b.txt', 'b');
    expect(await files.move('outputs/a.txt', 'outputs/b.txt')).toMatchObject({
      path: 'outputs/b.txt',
      bytes: 1,
    });
    expect(await files.exists('outputs/a.txt')).toBe(false);
    expect(await textOf('outputs/b.txt')).toBe('a');
    await files.move('outputs/b.txt', 'new/c.txt');
    expect(await textOf('new/c.txt')).toBe('a');
  });

  it('are kept by what they hold: twice the same is one file', async () => {
    const kind = { type: 'text', mediaType: 'text/plain', extension: 'txt' } as const;
    const artifact = await files.keep('hello', kind);
    expect(artifact).toEqual({
      path: 'artifacts/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824.txt',
      type: 'text',
      mediaType: 'text/plain',
      digest: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
      bytes: 5,
    });
    expect(await files.keep(new TextEncoder().encode('hello'), kind)).toEqual(artifact);
    await files.keep('other', kind);
    expect(await readdir(inside('artifacts'))).toHaveLength(2);
  });
});
