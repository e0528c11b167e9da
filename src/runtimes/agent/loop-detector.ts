/** Longest round of actions that is noticed. */
const LONGEST_ROUND = 4;
/** Rounds that are let pass. */
const ROUNDS = 3;

/** Notices that the same actions are taken on the same pages again and again. */
export interface LoopDetector {
  /** Tells of an action on a page as it was; answers the length of the round that is gone through once more, or nothing. */
  note(page: string, action: string): number | undefined;
}

export function createLoopDetector(): LoopDetector {
  const steps: string[] = [];
  const repeats = (length: number): boolean => {
    const needed = length * ROUNDS;
    if (steps.length < needed) return false;
    const last = steps.slice(-needed);
    return last.every((step, index) => step === last[index % length]);
  };
  return {
    note: (page, action) => {
      steps.push(`${page}\n${action}`);
      if (steps.length > LONGEST_ROUND * ROUNDS) steps.shift();
      return Array.from({ length: LONGEST_ROUND }, (_, index) => index + 1).find(repeats);
    },
  };
}
