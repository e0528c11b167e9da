import type { Act } from './act.js';

/** Size of the screen, and the displays it is made of. */
export const displays: Act<'displays'> = async (desk) => {
  const found = await desk.screen.displays();
  const whole = desk.toFrame({ ...desk.size });
  return { result: { screen: whole, displays: found.map((each) => desk.toFrame({ ...each })) } };
};
