import type { Act } from './act.js';

/** What is to be read on the screen, with the places of its lines. */
export const readText: Act<'readText'> = async (desk, { region }) => {
  const { text, lines } = await desk.ocr.read(
    desk.screen,
    region && desk.regionToScreen(region),
    desk.signal,
  );
  return { result: { text, lines: lines.map((line) => desk.toFrame({ ...line })) } };
};
