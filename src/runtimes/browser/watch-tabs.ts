import type { Dialog, Page } from 'playwright-core';
import type { Dialogs, Script } from './script.js';

/** Questions of a page in one step; a page that asks more often asks without end. */
export const MOST_DIALOGS = 50;

/** The tabs of a step, followed until it ends: what they ask, fetch and say, and which others they open. */
export interface Tabs {
  readonly add: (page: Page) => void;
  stop(): void;
}

export function watchTabs(script: Pick<Script, 'tabs' | 'dialogs'>): Tabs {
  const unwatch: (() => void)[] = [];
  function add(page: Page): void {
    script.tabs.push(page);
    const onDialog = (dialog: Dialog) => void answer(script.dialogs, page, dialog);
    page.on('dialog', onDialog).on('popup', add);
    unwatch.push(() => {
      page.off('dialog', onDialog).off('popup', add);
    });
  }
  return {
    add,
    stop: () => {
      for (const end of unwatch) end();
    },
  };
}

/** Without an answer from the script a question is declined, as a person who is not there would. */
async function answer(dialogs: Dialogs, page: Page, dialog: Dialog): Promise<void> {
  dialogs.count++;
  if (dialogs.count > MOST_DIALOGS) {
    dialogs.flood.abort(new Error('the page asks without end'));
    // Its script goes on for ever: only without the page there is an end.
    await page.close({ runBeforeUnload: false }).catch(() => undefined);
    return;
  }
  const accepts = dialog.type() === 'beforeunload' || dialogs.answer?.accept === true;
  await (accepts ? dialog.accept(dialogs.answer?.text) : dialog.dismiss()).catch(() => undefined);
}
