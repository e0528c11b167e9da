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
    script.task.signal.throwIfAborted();
    await script.page.keyboard.type(key);
    if (delayMs > 0) await pause(delayMs, script.task.signal);
  }
};

export const press: Act<'press'> = async (script, args) =>
  namesElement(args)
    ? (await locate(script, args, args)).press(args.key, bounds(script, args))
    : script.page.keyboard.press(args.key);

export const select: Act<'select'> = async (script, args) => {
  await (await locate(script, args, args)).selectOption(args.value, bounds(script, args));
};

export const check: Act<'check'> = async (script, args) =>
  (await locate(script, args, args)).setChecked(
    (args.checked as boolean | undefined) ?? true,
    bounds(script, args),
  );

/** From where to where the mouse goes; an element's place is its middle. */
export const drag: Act<'drag'> = async (script, args) => {
  const from = await placeOf(script, args.from, args);
  const to = await placeOf(script, args.to, args);
  const { mouse } = script.page;
  script.task.signal.throwIfAborted();
  await mouse.move(from.x, from.y);
  await mouse.down();
  try {
    // In steps: what is dragged with the browser's own drag and drop begins to move only on the way.
    await mouse.move(to.x, to.y, { steps: DRAG_STEPS });
  } finally {
    await mouse.up();
  }
};
const DRAG_STEPS = 12;

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
