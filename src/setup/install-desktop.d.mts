/** The Debian package of each program that a desktop of this machine's own needs. */
export const PROGRAMS: Readonly<Record<string, string>>;
export function isInstalled(program: string): boolean;
export function missingPrograms(): string[];
/** Why nothing can be installed here, or nothing. */
export function obstacle(): string | undefined;
/** Installs what is missing; throws when that did not work. */
export function installDesktop(report: (line: string) => void): void;
