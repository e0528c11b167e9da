import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runFiles, type RunFiles } from '../../../src/agentfs/agentfs.js';
import { parseInvoice, problemsOf } from '../../../src/runtimes/workspace/tools/invoice/parse-invoice.js';
import { invoiceText } from '../../../src/runtimes/workspace/tools/invoice/invoice-tools.js';
import { packageRoot } from '../../../src/setup/package-root.js';
import { brokenInvoices, sampleInvoices } from '../../support/sample-invoices.js';
import { removeFolder, tempFolder } from '../../support/temp.js';

let root: string;
let files: RunFiles;
beforeAll(async () => {
  root = await tempFolder();
  files = runFiles(root, 'run_1');
  for (const [name, bytes] of [...(await sampleInvoices()), ...brokenInvoices()])
    await files.write(name, bytes);
});
afterAll(() => removeFolder(root));

const invoiceOf = async (name: string) =>
  parseInvoice((await invoiceText(name, files, new AbortController().signal)).text);

describe('the sample invoices', () => {
  it('are what the script makes', async () => {
    const folder = join(packageRoot, 'templates', 'invoice_processing', 'samples');
    const samples = await sampleInvoices();
    expect((await readdir(folder)).toSorted()).toEqual([...samples.keys()].toSorted());
    // A DOCX holds the time it was made.
    for (const [name, bytes] of samples)
      if (!name.endsWith('.docx'))
        expect({ name, same: bytes.equals(await readFile(join(folder, name))) }).toEqual({
          name,
          same: true,
        });
  });

  it.each([
    ['01-northwind.pdf', 'Northwind Paper Ltd', 'NW-2026-0117', '2026-03-02', 'GBP', 2, 34.1, 204.6],
    ['02-muehle.pdf', 'Mühle & Söhne GmbH', 'R-4711', '2026-03-14', 'EUR', 2, 61.22, 383.42],
    ['03-atlas-hosting.pdf', 'Atlas Hosting Inc.', 'INV-009982', '2026-03-31', 'USD', 2, 0, 3895.5],
    [
      '04-long-list.pdf',
      'Fastener Works',
      'FW/26/331',
      '2026-04-07',
      'EUR',
      30,
      expect.any(Number),
      expect.any(Number),
    ],
    ['05-swiss.pdf', 'Alpenblick AG', 'AB-88-2026', '2026-04-09', 'CHF', 1, 60.43, 806.43],
    ['06-garden.html', 'Green Thumb Gardens', 'GT1042', '2026-04-11', 'USD', 2, 24, 324],
    ['07-print.html', 'Quick Print & Copy', 'QP-5531', '2026-04-12', 'EUR', 2, 60.9, 350.9],
    ['08-legal.html', 'Bright & Partners LLP', '2026/0419', '2026-04-19', 'GBP', 1, 325.5, 1953],
    ['09-coffee.csv', 'Roast House', 'RH-771', '2026-04-20', 'EUR', 2, 21.55, 260.95],
    ['10-travel.csv', 'Railway Tickets', 'RT20260422', '2026-04-22', 'EUR', 1, 8.67, 132.47],
    ['11-cleaning.docx', 'Sparkle Cleaning Co', 'SC-300', '2026-04-25', 'GBP', 1, 88, 528],
    ['12-software.txt', 'Tiny Tools', 'TT-12', '2026-04-28', 'USD', 1, 0, 495],
  ])(
    '%s says who, what and how much, and adds up',
    async (name, vendor, number, date, currency, lines, tax, total) => {
      const invoice = await invoiceOf(name);
      expect({ ...invoice, lines: invoice.lines.length }).toMatchObject({
        vendor,
        number,
        date,
        currency,
        lines,
        tax,
        total,
      });
      expect(problemsOf(invoice)).toEqual([]);
    },
  );
});

describe('an invoice', () => {
  it('whose total is wrong says by how much', async () => {
    expect(problemsOf(await invoiceOf('20-wrong-total.html'))).toEqual([
      '300 and 24 of tax are 324, and the total is 424',
    ]);
  });

  it('with a line that does not multiply, and lines that do not add up, says which', () => {
    const text =
      'A\nInvoice no: 1\nDate: 2026-01-01\nTea    2    3.00    7.00\nSubtotal:    6.00\nTotal: 6.00 EUR';
    expect(problemsOf(parseInvoice(text))).toEqual([
      '“Tea”: 2 × 3 is 6, not 7',
      'the lines add up to 7, and the subtotal is 6',
    ]);
  });

  it('that lacks something says what', () => {
    expect(problemsOf(parseInvoice('Only words here'))).toEqual([
      'no number was found',
      'no date was found',
      'no currency was found',
      'no total was found',
      'no lines were found',
    ]);
  });

  it.each(['2026-02-30', '31/02/2026', '32 March 2026'])('of %s has no date', (date) => {
    expect(parseInvoice(`A\nDate: ${date}`).date).toBeNull();
  });
});
