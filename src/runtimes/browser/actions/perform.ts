import type { BrowserAction, BrowserActionName } from '#events/actions/browser.js';
import { checkDocument } from '../documents.js';
import { extract } from '../extract.js';
import type { Act, Script } from '../script.js';
import * as files from './file.actions.js';
import * as input from './input.actions.js';
import * as look from './look.actions.js';
import * as navigate from './navigate.actions.js';

const acts: { readonly [K in BrowserActionName]: Act<K> } = {
  ...navigate,
  ...input,
  ...look,
  ...files,
  extract: async (script, args) => {
    script.extracted[args.name] = await extract(script, args);
  },
};

/** Actions after which a page may be another one: what it answered is looked at before anything else is done. */
const MAY_NAVIGATE: ReadonlySet<BrowserActionName> = new Set([
  'click',
  'doubleClick',
  'fill',
  'type',
  'press',
  'select',
  'check',
  'upload',
  'drag',
]);

export async function performAction(script: Script, { name, args }: BrowserAction): Promise<void> {
  const act = acts[name] as (script: Script, args: BrowserAction['args']) => Promise<void>;
  await act(script, args);
  if (MAY_NAVIGATE.has(name)) await checkDocument(script);
}
