import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../../src/setup/package-root.js';
import { sampleInvoices } from './sample-invoices.js';

for (const [name, bytes] of await sampleInvoices())
  await writeFile(join(packageRoot, 'templates', 'invoice_processing', 'samples', name), bytes);
