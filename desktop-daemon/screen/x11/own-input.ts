/** What this process itself has put in: whatever else is heard of came from a person. */
export interface OwnInput {
  expectKey(code: number): void;
  expectButton(button: number, times?: number): void;
  /** Whether a press that was heard of is one of those that were expected. */
  isOwn(kind: 'key' | 'button', detail: number): boolean;
  /** Presses whose news never came are forgotten after a while. */
  forgetOld(): void;
}

const REMEMBERED_MS = 5_000;

export function createOwnInput(now: () => number = () => performance.now()): OwnInput {
  const expected = new Map<string, number[]>();
  const expect = (key: string): void => {
    const times = expected.get(key) ?? [];
    times.push(now());
    expected.set(key, times);
  };
  return {
    expectKey: (code) => expect(`key ${code}`),
    expectButton: (button, times = 1) => {
      for (let n = 0; n < times; n++) expect(`button ${button}`);
    },
    isOwn: (kind, detail) => {
      const times = expected.get(`${kind} ${detail}`);
      if (!times || times.length === 0) return false;
      times.shift();
      return true;
    },
    forgetOld: () => {
      for (const [key, times] of expected) {
        const kept = times.filter((at) => now() - at < REMEMBERED_MS);
        if (kept.length > 0) expected.set(key, kept);
        else expected.delete(key);
      }
    },
  };
}
