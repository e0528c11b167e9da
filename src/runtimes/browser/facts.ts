import type { Check } from '#events/plan.js';
import type { Json } from '#events/shapes.js';
import { fieldKey, isPageCheck } from '../../validator/page-checks.js';
import { textOf } from './extract.js';
import { locate } from './locate.js';
import { bounds, type Script } from './script.js';

/** What the checks of a step want to know of the page it ends on, and what the script itself did not ask. */
export async function seenAtEnd(script: Script): Promise<Json | undefined> {
  const checks = script.task.step.expect ?? [];
  const seen = {
    ...(checks.some(wantsText) && { text: (await visibleText(script)) ?? null }),
    ...(checks.some((check) => 'field' in check) && { fields: await fieldsOf(script, checks) }),
    ...(checks.some((check) => 'request' in check) && {
      requests: [...script.network.requests] as unknown as Json,
    }),
  };
  return Object.keys(seen).length > 0 ? seen : undefined;
}

const wantsText = (check: Check): boolean =>
  'page' in check && (check.page.text !== undefined || check.page.absent !== undefined);

const MOST_TEXT = 2_000_000;

/** The words of the page and of its frames; nothing, when one of them cannot be read: what it shows, nobody knows. */
async function visibleText({ page }: Script): Promise<string | undefined> {
  const texts = await Promise.all(
    page
      .frames()
      .map((frame) =>
        textOf(frame.locator('body'), MOST_TEXT).catch(() => (frame.isDetached() ? '' : undefined)),
      ),
  );
  return texts.includes(undefined) ? undefined : texts.join('\n');
}

/** The values of the fields that checks name; null for one that is not there. */
async function fieldsOf(script: Script, checks: readonly Check[]): Promise<Record<string, string | null>> {
  const limits = { timeoutMs: 2_000 };
  const values = checks.filter(isPageCheck).flatMap((check) =>
    'field' in check
      ? [
          locate(script, check.field.of, limits)
            .then((field) => field.inputValue(bounds(script, limits)))
            .catch(() => null)
            .then((value) => [fieldKey(check), value] as const),
        ]
      : [],
  );
  return Object.fromEntries(await Promise.all(values));
}
