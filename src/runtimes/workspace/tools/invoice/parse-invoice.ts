import { numberOf } from '../table-tools.js';

export interface InvoiceLine {
  readonly description: string;
  readonly quantity: number;
  readonly unitPrice: number;
  readonly amount: number;
}

/** What an invoice says of itself; what was not found is null. Amounts are in `currency`. */
export interface Invoice {
  readonly vendor: string | null;
  readonly number: string | null;
  /** `YYYY-MM-DD`. */
  readonly date: string | null;
  /** ISO 4217. */
  readonly currency: string | null;
  readonly lines: readonly InvoiceLine[];
  readonly subtotal: number | null;
  readonly tax: number | null;
  readonly total: number | null;
}

const LABELS = {
  vendor: /^(?:vendor|supplier|seller|from|lieferant|fournisseur)\b/i,
  number: /^(?:invoice|rechnungs?|facture)(?:\s*-?\s*(?:no|number|nr|nummer|num[ée]ro|n°|#))?\.?/i,
  date: /^(?:invoice\s+date|date(?:\s+of\s+issue)?|issued|rechnungsdatum|datum)\b/i,
  currency: /^(?:currency|währung|devise)\b/i,
  subtotal: /^(?:sub-?\s?total|net(?:\s+amount)?|netto|zwischensumme|total\s+ht)\b/i,
  tax: /^(?:vat|tax|sales\s+tax|mwst|ust|umsatzsteuer|tva)\b/i,
  total: /^(?:grand\s+total|total\s+due|amount\s+due|total\s+ttc|total|gesamtbetrag|gesamt)\b/i,
} as const;
type Label = keyof typeof LABELS;

const SYMBOLS: readonly (readonly [RegExp, string])[] = [
  [/€|\bEUR\b/, 'EUR'],
  [/£|\bGBP\b/, 'GBP'],
  [/\bCHF\b/, 'CHF'],
  [/\$|\bUSD\b/, 'USD'],
];

/** Reads an invoice by its words: labels with a value on the same line, and lines that end in three numbers. */
export function parseInvoice(text: string): Invoice {
  const rows = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const valueOf = (label: Label): string | null => {
    for (const row of rows) {
      const value = labelled(row, LABELS[label]);
      if (value !== undefined) return value;
    }
    return null;
  };
  const amountOf = (label: Label): number | null => {
    const row = rows.findLast((each) => LABELS[label].test(each) && lastNumber(each) !== null);
    return row === undefined ? null : lastNumber(row);
  };
  return {
    vendor: valueOf('vendor') ?? rows[0]?.replace(/^[#*\s]+/, '') ?? null,
    number: /[A-Za-z0-9][\w./-]*/.exec(valueOf('number') ?? '')?.[0] ?? null,
    date: dateOf(valueOf('date')),
    currency: currencyOf(valueOf('currency') ?? text),
    lines: rows.flatMap((row) => lineOf(row) ?? []),
    subtotal: amountOf('subtotal'),
    tax: amountOf('tax'),
    total: amountOf('total'),
  };
}

/** The value behind a label: `Label: value`, `Label<tab>value`, `Label   value`. */
function labelled(row: string, label: RegExp): string | undefined {
  const found = label.exec(row);
  if (!found) return undefined;
  const rest = row.slice(found[0].length);
  const value = /^\s*[:\t|;,]\s*(.+)$|^\s{2,}(.+)$|^\s+(\S*\d\S*)$/.exec(rest);
  return (value?.[1] ?? value?.[2] ?? value?.[3])?.trim();
}

function lastNumber(row: string): number | null {
  const [last] = /-?[\d][\d.,' ]*\d|\d(?=\D*$)/g.exec(row.split(/[:\t|;]|\s{2,}/).at(-1) ?? '') ?? [];
  return last === undefined ? null : amount(last);
}

function amount(text: string): number | null {
  try {
    return numberOf(text.replace(/[' ]/g, ''), 'amount');
  } catch {
    return null;
  }
}

const NUMERIC = /^[€£$]?\s*-?\d[\d.,']*\s*(?:€|EUR|USD|GBP|CHF)?$/;

const AMOUNT = String.raw`(?:[€£$] ?)?-?\d[\d.,']*(?: ?(?:€|EUR|USD|GBP|CHF))?`;
/** Text of a PDF keeps the words of a row and not the distance between them. */
const CLOSE_ROW = new RegExp(String.raw`^(.*?\S)\s+(${AMOUNT})\s+(${AMOUNT})\s+(${AMOUNT})$`);

/** Description, quantity, price of one, amount. */
function lineOf(row: string): InvoiceLine | undefined {
  const [description, ...numbers] = cellsOf(row);
  const amounts = numbers.map(amount).filter((each) => each !== null);
  if (description === undefined || amounts.length !== 3) return undefined;
  const [quantity, unitPrice, total] = amounts as [number, number, number];
  return { description, quantity, unitPrice, amount: total };
}

function cellsOf(row: string): string[] {
  const cells = row
    .split(/\t|\s*\|\s*|;|\s{2,}/)
    .map((cell) => cell.trim())
    .filter((cell) => cell !== '');
  const wide = cells.length >= 4 && cells.slice(-3).every((cell) => NUMERIC.test(cell));
  return wide ? [cells.slice(0, -3).join(' '), ...cells.slice(-3)] : (CLOSE_ROW.exec(row)?.slice(1) ?? []);
}

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');

function dateOf(text: string | null): string | null {
  if (text === null) return null;
  const [, year, month, day] = /(\d{4})-(\d{2})-(\d{2})/.exec(text) ?? [];
  if (year !== undefined) return calendar(year, month!, day!);
  // A day before a month, as most of the world writes it: `7.3.2026`, `07/03/2026`.
  const [, first, second, last] = /(\d{1,2})[./](\d{1,2})[./](\d{4})/.exec(text) ?? [];
  if (first !== undefined) return calendar(last!, second!, first);
  const named =
    /(\d{1,2})\.?\s+([A-Za-zä]{3})[a-zä]*\.?,?\s+(\d{4})|([A-Za-z]{3})[a-z]*\.?\s+(\d{1,2}),?\s+(\d{4})/.exec(
      text,
    );
  if (!named) return null;
  const name = (named[2] ?? named[4])!.toLowerCase();
  return calendar((named[3] ?? named[6])!, String(MONTHS.indexOf(name) + 1), (named[1] ?? named[5])!);
}

function calendar(year: string, month: string, day: string): string | null {
  const date = `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
  const parsed = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(parsed.valueOf()) && parsed.toISOString().startsWith(date) ? date : null;
}

const currencyOf = (text: string): string | null =>
  SYMBOLS.find(([symbol]) => symbol.test(text))?.[1] ?? null;

/** Half a cent: what rounding may cost. */
const TOLERANCE = 0.011;
const differs = (left: number, right: number): boolean => Math.abs(left - right) > TOLERANCE;
const round = (value: number): number => Math.round(value * 100) / 100;

/** What does not add up, or is not there at all, in words. */
export function problemsOf(invoice: Invoice): string[] {
  const missing = (['vendor', 'number', 'date', 'currency', 'total'] as const).filter(
    (name) => invoice[name] === null,
  );
  return [
    ...missing.map((name) => `no ${name} was found`),
    ...(invoice.lines.length === 0 ? ['no lines were found'] : []),
    ...invoice.lines.flatMap(lineProblem),
    ...sumProblems(invoice),
  ];
}

function lineProblem({ description, quantity, unitPrice, amount: said }: InvoiceLine): string[] {
  const right = round(quantity * unitPrice);
  return differs(right, said)
    ? [`“${description}”: ${quantity} × ${unitPrice} is ${right}, not ${said}`]
    : [];
}

function sumProblems({ lines, subtotal, tax, total }: Invoice): string[] {
  const sum = lines.length > 0 ? round(lines.reduce((all, line) => all + line.amount, 0)) : null;
  const net = subtotal ?? sum;
  const gross = net === null ? null : round(net + (tax ?? 0));
  return [
    ...(subtotal !== null && sum !== null && differs(sum, subtotal)
      ? [`the lines add up to ${sum}, and the subtotal is ${subtotal}`]
      : []),
    ...(gross !== null && total !== null && differs(gross, total)
      ? [`${net} and ${tax ?? 0} of tax are ${gross}, and the total is ${total}`]
      : []),
  ];
}
