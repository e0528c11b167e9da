// Installs what a desktop of this machine's own needs: for the tests, and for `skyagent doctor --fix`.
import { installDesktop } from './install-desktop.mjs';

const report = (line) => process.stderr.write(`${line}\n`);
try {
  installDesktop(report);
} catch (error) {
  report(`no virtual desktop: ${error.message}`);
}
