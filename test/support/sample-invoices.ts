import { docxOf, pdfOf } from './documents.js';

interface Item {
  readonly what: string;
  readonly quantity: number;
  readonly price: number;
}
interface Sample {
  readonly name: string;
  readonly vendor: string;
  readonly number: string;
  readonly date: string;
  readonly currency: string;
  readonly taxPercent: number;
  readonly items: readonly Item[];
  /** What is added to the total that is printed: 0 on an honest invoice. */
  readonly wrongBy?: number;
}

const item = (what: string, quantity: number, price: number): Item => ({ what, quantity, price });
const cents = (value: number): number => Math.round(value * 100) / 100;

function sums({ items, taxPercent, wrongBy = 0 }: Sample) {
  const net = cents(items.reduce((sum, { quantity, price }) => sum + quantity * price, 0));
  const tax = cents((net * taxPercent) / 100);
  return { net, tax, total: cents(net + tax + wrongBy) };
}

const english = (value: number): string => value.toLocaleString('en-US', { minimumFractionDigits: 2 });
const german = (value: number): string => value.toLocaleString('de-DE', { minimumFractionDigits: 2 });

function englishText(sample: Sample, gap = '    '): string {
  const { net, tax, total } = sums(sample);
  return [
    sample.vendor,
    '',
    `Invoice number: ${sample.number}`,
    `Date: ${sample.date}`,
    `Currency: ${sample.currency}`,
    '',
    ['Description', 'Qty', 'Unit price', 'Amount'].join(gap),
    ...sample.items.map(({ what, quantity, price }) =>
      [what, quantity, english(price), english(cents(quantity * price))].join(gap),
    ),
    '',
    `Subtotal:${gap}${english(net)}`,
    `VAT ${sample.taxPercent}%:${gap}${english(tax)}`,
    `Total due:${gap}${english(total)}`,
  ].join('\n');
}

function germanText(sample: Sample): string {
  const { net, tax, total } = sums(sample);
  return [
    `Lieferant: ${sample.vendor}`,
    `Rechnungsnr.: ${sample.number}`,
    `Rechnungsdatum: ${sample.date}`,
    'Bezeichnung    Menge    Einzelpreis    Betrag',
    ...sample.items.map(
      ({ what, quantity, price }) =>
        `${what}    ${quantity}    ${german(price)}    ${german(cents(quantity * price))}`,
    ),
    `Netto:    ${german(net)} EUR`,
    `MwSt ${sample.taxPercent} %:    ${german(tax)} EUR`,
    `Gesamtbetrag:    ${german(total)} EUR`,
  ].join('\n');
}

function htmlOf(sample: Sample): string {
  const { net, tax, total } = sums(sample);
  const row = (...cells: (string | number)[]) =>
    `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  return `<!doctype html><html><head><meta charset="utf-8"><title>Invoice ${sample.number}</title></head><body>
<table>${row('From', sample.vendor)}${row('Invoice no.', sample.number)}${row('Invoice date', sample.date)}${row('Currency', sample.currency)}</table>
<table>${row('Item', 'Quantity', 'Price', 'Amount')}
${sample.items.map(({ what, quantity, price }) => row(what, quantity, english(price), english(cents(quantity * price)))).join('\n')}</table>
<table>${row('Net amount', english(net))}${row('Tax', english(tax))}${row('Grand total', english(total))}</table>
</body></html>
`;
}

function csvOf(sample: Sample, delimiter: string): string {
  const { net, tax, total } = sums(sample);
  const rows: (string | number)[][] = [
    ['Vendor', sample.vendor],
    ['Invoice number', sample.number],
    ['Date', sample.date],
    ['Currency', sample.currency],
    ['Description', 'Quantity', 'Unit price', 'Amount'],
    ...sample.items.map(({ what, quantity, price }) => [
      what,
      quantity,
      price.toFixed(2),
      (quantity * price).toFixed(2),
    ]),
    ['Subtotal', net.toFixed(2)],
    ['Tax', tax.toFixed(2)],
    ['Total', total.toFixed(2)],
  ];
  return `${rows.map((row) => row.join(delimiter)).join('\n')}\n`;
}

const SAMPLES: readonly Sample[] = [
  {
    name: '01-northwind.pdf',
    vendor: 'Northwind Paper Ltd',
    number: 'NW-2026-0117',
    date: '2026-03-02',
    currency: 'GBP',
    taxPercent: 20,
    items: [item('A4 paper, 500 sheets', 40, 3.95), item('Delivery', 1, 12.5)],
  },
  {
    name: '02-muehle.pdf',
    vendor: 'Mühle & Söhne GmbH',
    number: 'R-4711',
    date: '14.03.2026',
    currency: 'EUR',
    taxPercent: 19,
    items: [item('Wartung der Heizung', 3.5, 84), item('Dichtung DN 25', 12, 2.35)],
  },
  {
    name: '03-atlas-hosting.pdf',
    vendor: 'Atlas Hosting Inc.',
    number: 'INV-009982',
    date: 'March 31, 2026',
    currency: 'USD',
    taxPercent: 0,
    items: [item('Virtual server, large', 3, 1240), item('Backup, per TB', 18, 9.75)],
  },
  {
    name: '04-long-list.pdf',
    vendor: 'Fastener Works',
    number: 'FW/26/331',
    date: '7 April 2026',
    currency: 'EUR',
    taxPercent: 21,
    items: Array.from({ length: 30 }, (_, at) =>
      item(`Screw M${at + 3} x ${10 + at}`, 100 + at, cents(0.04 + at / 100)),
    ),
  },
  {
    name: '05-swiss.pdf',
    vendor: 'Alpenblick AG',
    number: 'AB-88-2026',
    date: '2026-04-09',
    currency: 'CHF',
    taxPercent: 8.1,
    items: [item('Room and breakfast', 4, 186.5)],
  },
  {
    name: '06-garden.html',
    vendor: 'Green Thumb Gardens',
    number: 'GT1042',
    date: '2026-04-11',
    currency: 'USD',
    taxPercent: 8,
    items: [item('Hedge trimming', 6, 45), item('Disposal', 1, 30)],
  },
  {
    name: '07-print.html',
    vendor: 'Quick Print & Copy',
    number: 'QP-5531',
    date: '12/04/2026',
    currency: 'EUR',
    taxPercent: 21,
    items: [item('Flyers A5', 2000, 0.08), item('Design', 2, 65)],
  },
  {
    name: '08-legal.html',
    vendor: 'Bright & Partners LLP',
    number: '2026/0419',
    date: '2026-04-19',
    currency: 'GBP',
    taxPercent: 20,
    items: [item('Advice on the lease', 5.25, 310)],
  },
  {
    name: '09-coffee.csv',
    vendor: 'Roast House',
    number: 'RH-771',
    date: '2026-04-20',
    currency: 'EUR',
    taxPercent: 9,
    items: [item('Beans 1 kg', 12, 18.4), item('Filters', 6, 3.1)],
  },
  {
    name: '10-travel.csv',
    vendor: 'Railway Tickets',
    number: 'RT20260422',
    date: '2026-04-22',
    currency: 'EUR',
    taxPercent: 7,
    items: [item('Berlin to Hamburg', 2, 61.9)],
  },
  {
    name: '11-cleaning.docx',
    vendor: 'Sparkle Cleaning Co',
    number: 'SC-300',
    date: '2026-04-25',
    currency: 'GBP',
    taxPercent: 20,
    items: [item('Office cleaning, April', 8, 55)],
  },
  {
    name: '12-software.txt',
    vendor: 'Tiny Tools',
    number: 'TT-12',
    date: '2026-04-28',
    currency: 'USD',
    taxPercent: 0,
    items: [item('Licence, yearly', 5, 99)],
  },
];

const bytesOf = async (sample: Sample): Promise<string | Buffer> => {
  const { name } = sample;
  if (name === '02-muehle.pdf') return pdfOf([germanText(sample)]);
  if (name.endsWith('.pdf')) return pdfOf([englishText(sample)]);
  if (name.endsWith('.html')) return htmlOf(sample);
  if (name.endsWith('.csv')) return csvOf(sample, name.startsWith('09') ? ';' : ',');
  return name.endsWith('.docx') ? docxOf(englishText(sample, '\t').split('\n')) : englishText(sample);
};

/** The twelve invoices that ship with the template, by file name. */
export async function sampleInvoices(): Promise<Map<string, Buffer>> {
  const files = await Promise.all(
    SAMPLES.map(async (sample) => [sample.name, Buffer.from(await bytesOf(sample))] as const),
  );
  return new Map(files);
}

/** Three that are not as they should be: a total that is wrong, the same invoice again, and a scan. */
export const brokenInvoices = (): Map<string, Buffer> =>
  new Map([
    ['20-wrong-total.html', Buffer.from(htmlOf({ ...SAMPLES[5]!, number: 'GT1043', wrongBy: 100 }))],
    ['21-again.pdf', pdfOf([englishText({ ...SAMPLES[0]!, name: '21-again.pdf' })])],
    ['22-scan.pdf', pdfOf([''])],
  ]);
