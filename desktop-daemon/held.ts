import { canonicalKey } from './keys.js';
import type { Button, Screen } from './screen/screen.js';

/** What is down by the daemon's doing. Whatever happens, it is let go of. */
export interface Held {
  pressKeys(keys: readonly string[]): Promise<void>;
  releaseKeys(keys: readonly string[]): Promise<void>;
  pressButton(button: Button): Promise<void>;
  releaseButton(button: Button): Promise<void>;
  withKeys(keys: readonly string[], work: () => Promise<void>): Promise<void>;
  withButton(button: Button, work: () => Promise<void>): Promise<void>;
  releaseAll(): Promise<void>;
}

export function createHeld(screen: Screen): Held {
  const keys = new Set<string>();
  const buttons = new Set<Button>();
  const held: Held = {
    pressKeys: async (names) => {
      const wanted = names.map(canonicalKey);
      // Of a chord that cannot be pressed as a whole nothing may stay down.
      for (const key of wanted) keys.add(key);
      try {
        await screen.pressKeys(wanted);
      } catch (error) {
        for (const key of wanted) keys.delete(key);
        throw error;
      }
    },
    releaseKeys: async (names) => {
      const wanted = names.map(canonicalKey);
      await screen.releaseKeys(wanted);
      for (const key of wanted) keys.delete(key);
    },
    pressButton: async (button) => {
      buttons.add(button);
      await screen.press(button);
    },
    releaseButton: async (button) => {
      await screen.release(button);
      buttons.delete(button);
    },
    withKeys: async (names, work) => {
      if (names.length === 0) return work();
      await held.pressKeys(names);
      try {
        await work();
      } finally {
        await held.releaseKeys(names);
      }
    },
    withButton: async (button, work) => {
      await held.pressButton(button);
      try {
        await work();
      } finally {
        await held.releaseButton(button);
      }
    },
    releaseAll: async () => {
      for (const button of buttons) await held.releaseButton(button);
      if (keys.size > 0) await held.releaseKeys([...keys]);
    },
  };
  return held;
}
