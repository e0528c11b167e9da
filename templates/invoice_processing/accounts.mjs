// A small accounts page to try the template with: `node templates/invoice_processing/accounts.mjs [port]`.
// Entries are kept in memory. `GET /entries.json` lists them; `GET /?number=…` looks one up.
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const FIELDS = [
  ['vendor', 'Vendor'],
  ['number', 'Invoice number'],
  ['date', 'Date'],
  ['currency', 'Currency'],
  ['tax', 'Tax'],
  ['total', 'Total'],
];
const escape = (value) => String(value).replace(/[&<>"]/g, (each) => `&#${each.charCodeAt(0)};`);

const page = (entries, saved) => `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Accounts payable</title>
<style>body{font:16px system-ui;max-width:50rem;margin:2rem auto}label{display:block;margin:.4rem 0}
input{margin-left:.5rem}td,th{border:1px solid #ccc;padding:.2rem .6rem}table{border-collapse:collapse}</style>
<h1>Accounts payable</h1>
${saved ? `<p role="status">Saved ${escape(saved)}</p>` : ''}
<form method="post" action="/entries">
${FIELDS.map(([name, label]) => `<label>${label} <input name="${name}" required></label>`).join('\n')}
<button>Save</button></form>
<table><tr>${FIELDS.map(([, label]) => `<th>${label}</th>`).join('')}</tr>
${entries
  .map(
    (entry) =>
      `<tr>${FIELDS.map(([name]) => `<td class="${name}">${escape(entry[name])}</td>`).join('')}</tr>`,
  )
  .join('\n')}
</table></html>`;

/** Starts the page on loopback. */
export async function startAccounts(port = 0) {
  const entries = [];
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://accounts');
    if (request.method === 'POST' && pathname === '/entries') {
      const given = new URLSearchParams(await text(request));
      const entry = Object.fromEntries(FIELDS.map(([name]) => [name, given.get(name) ?? '']));
      entries.push(entry);
      response.writeHead(303, { location: `/?saved=${encodeURIComponent(entry.number)}` }).end();
    } else if (pathname === '/entries.json') {
      response.setHeader('content-type', 'application/json').end(JSON.stringify(entries));
    } else {
      const number = searchParams.get('number');
      const shown = number === null ? entries : entries.filter((entry) => entry.number === number);
      response
        .setHeader('content-type', 'text/html; charset=utf-8')
        .end(page(shown, searchParams.get('saved')));
    }
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${server.address().port}/`, entries, close };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { url } = await startAccounts(Number(process.argv[2] ?? 0));
  console.log(url);
}
