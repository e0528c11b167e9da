import type { Act } from './act.js';

/** A picture of the screen or of a region, in the size that the declared frame has, or smaller by `scale`. */
export const screenshot: Act<'screenshot'> = async (desk, { region, format = 'png', quality, scale = 1 }) => {
  const shown = region ? desk.regionToScreen(region) : { x: 0, y: 0, ...desk.size };
  const size = {
    width: Math.max(1, Math.round(shown.width * desk.scale.x * scale)),
    height: Math.max(1, Math.round(shown.height * desk.scale.y * scale)),
  };
  const image = await desk.screen.capture({ ...(region && { region: shown }), format, quality, size });
  return { result: { width: image.width, height: image.height }, image };
};
