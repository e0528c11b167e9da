import pc from 'picocolors';

/** Data goes to stdout. */
export const print = (text: string): void => void process.stdout.write(`${text}\n`);
export const printJson = (value: unknown): void =>
  print(JSON.stringify(value, null, process.stdout.isTTY ? 2 : 0));
/** Progress goes to stderr. */
export const progress = (line: string): void => void process.stderr.write(`${line}\n`);

const STATUS_COLOURS: Readonly<Record<string, (text: string) => string>> = {
  succeeded: pc.green,
  failed: pc.red,
  cancelled: pc.yellow,
  paused: pc.yellow,
  'awaiting-approval': pc.yellow,
  running: pc.cyan,
  executing: pc.cyan,
};
export const coloured = (status: string): string =>
  (STATUS_COLOURS[status] ?? ((text: string) => text))(status);

/** Columns as wide as their widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length)),
  );
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  return [pc.dim(line(head)), ...rows.map(line)].join('\n');
}

export const clock = (time: string): string => time.slice(11, 23);
export const seconds = (from: string, to: string): string =>
  `${((Date.parse(to) - Date.parse(from)) / 1000).toFixed(1)} s`;
export const cut = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most - 1)}…` : text;
