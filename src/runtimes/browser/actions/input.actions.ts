/// <reference lib="dom" />
import type { ElementHandle, Locator } from 'playwright-core';
import { namesElement, type Point, type Pointed } from '#events/actions/browser-target.js';
import { pause } from '../../../effects/timer.effect.js';
import { locate } from '../locate.js';
import { bounds, type Act, type ArgsOf, type Script } from '../script.js';

export const click: Act<'click'> = async (script, args) => {
  if (args.at) return script.page.mouse.click(args.at.x, args.at.y);
  const { modifiers } = args;
  await (
    await locate(script, args, args)
  ).click({ ...bounds(script, args), ...(modifiers && { modifiers }) });
};

export const doubleClick: Act<'doubleClick'> = async (script, args) => {
  if (args.at) return script.page.mouse.dblclick(args.at.x, args.at.y);
  await (await locate(script, args, args)).dblclick(bounds(script, args));
};

export const rightClick: Act<'rightClick'> = async (script, args) => {
  if (args.at) return script.page.mouse.click(args.at.x, args.at.y, { button: 'right' });
  await (await locate(script, args, args)).click({ ...bounds(script, args), button: 'right' });
};

export const hover: Act<'hover'> = async (script, args) => {
  if (args.at) return script.page.mouse.move(args.at.x, args.at.y);
  await (await locate(script, args, args)).hover(bounds(script, args));
};

export const fill: Act<'fill'> = async (script, args) =>
  (await locate(script, args, args)).fill(args.value, bounds(script, args));

export const type: Act<'type'> = async (script, args) => {
  const delayMs = (args.delayMs as number | undefined) ?? 0;
  if (namesElement(args)) {
    const options = { ...bounds(script, args), delay: delayMs };
    return (await locate(script, args, args)).pressSequentially(args.value, options);
  }
  // The keyboard itself takes no signal: between two keys the step may have been told to stop.
  for (const key of args.value) {
    script.signal.throwIfAborted();
    await script.page.keyboard.type(key);
    if (delayMs > 0) await pause(delayMs, script.signal);
  }
};

export const press: Act<'press'> = async (script, args) =>
  namesElement(args)
    ? (await locate(script, args, args)).press(args.key, bounds(script, args))
    : script.page.keyboard.press(args.key);

export const select: Act<'select'> = async (script, args) => {
  await (await locate(script, args, args)).selectOption(args.value, bounds(script, args));
};

export const check: Act<'check'> = async (script, args) => {
  const wanted = (args.checked as boolean | undefined) ?? true;
  const box = await locate(script, args, args);
  const limits = bounds(script, args);
  const label = await labelInFront(box, limits.timeout);
  if (!label) return box.setChecked(wanted, limits);
  if ((await box.isChecked(limits)) !== wanted) await label.click(limits);
  if ((await box.isChecked(limits)) !== wanted)
    throw new Error('Clicking the checkbox did not change its state');
};

/** A box that is dressed up is hidden, or lies behind its label: it is the label that a person clicks. */
async function labelInFront(box: Locator, timeout: number): Promise<ElementHandle<HTMLElement> | undefined> {
  const found = await box.evaluateHandle(
    (element) => {
      const { labels } = element as HTMLInputElement;
      if (!labels?.[0]) return null;
      element.scrollIntoView({ block: 'center', inline: 'center' });
      const { left, top, width, height } = element.getBoundingClientRect();
      const root = element.getRootNode() as Document | ShadowRoot;
      const hit = root.elementFromPoint(left + width / 2, top + height / 2);
      const free = width > 0 && height > 0 && (hit === element || element.contains(hit));
      return free && getComputedStyle(element).visibility !== 'hidden' ? null : labels[0];
    },
    undefined,
    { timeout },
  );
  return (found.asElement() as ElementHandle<HTMLElement> | null) ?? undefined;
}

/** From where to where the mouse goes; an element's place is its middle. What cannot be taken hold of is not dragged. */
export const drag: Act<'drag'> = async (script, args) => {
  const limits = bounds(script, args);
  const { mouse } = script.page;
  if (args.from.at) await mouse.move(args.from.at.x, args.from.at.y);
  else await (await locate(script, args.from, args)).hover(limits);
  limits.signal.throwIfAborted();
  await mouse.down();
  try {
    // Measured only now: what is far away is scrolled to, and what was taken comes along.
    const to = await placeOf(script, args.to, args);
    // In steps: what is dragged with the browser's own drag and drop begins to move only on the way.
    await mouse.move(to.x, to.y, { steps: DRAG_STEPS });
    // A list that has just made room takes no further move for a moment: the last one counts.
    await pause(SETTLE_MS, limits.signal);
    limits.signal.throwIfAborted();
    await mouse.move(to.x, to.y);
  } catch (error) {
    // Let go of where it was, and not dropped.
    await script.page.keyboard.press('Escape').catch(() => undefined);
    throw error;
  } finally {
    await mouse.up();
  }
};
const DRAG_STEPS = 12;
const SETTLE_MS = 60;

async function placeOf(script: Script, where: Pointed, args: ArgsOf<'drag'>): Promise<Point> {
  if (where.at) return where.at;
  const locator = await locate(script, where, args);
  const options = bounds(script, args);
  await locator.scrollIntoViewIfNeeded(options);
  const box = await locator.boundingBox(options);
  if (!box) throw new Error('element is not visible');
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

export const scroll: Act<'scroll'> = async (script, args) => {
  if (namesElement(args)) {
    const locator = await locate(script, args, args);
    await locator.scrollIntoViewIfNeeded(bounds(script, args));
    if (args.dx !== undefined || args.dy !== undefined) await locator.hover(bounds(script, args));
  }
  if (args.to !== undefined)
    return script.page.keyboard.press(args.to === 'top' ? 'Control+Home' : 'Control+End');
  if (args.dx === undefined && args.dy === undefined) return;
  await script.page.mouse.wheel((args.dx as number | undefined) ?? 0, (args.dy as number | undefined) ?? 0);
};
