import type { Config } from '../../config.js';
import { withServer } from '../client.js';
import { coloured, print, printJson } from '../output.js';

interface ControlOptions {
  readonly reason?: string;
  readonly note?: string;
  readonly step?: string;
  readonly argumentHash?: string;
  readonly replan?: boolean;
  readonly outcome?: string;
  readonly json?: boolean;
}

export const control =
  (name: string) =>
  (
    config: Config,
    { reason, note, step, argumentHash, replan, outcome, json }: ControlOptions,
    id: string,
  ): Promise<void> =>
    withServer(config, async (client) => {
      const body = {
        ...(reason !== undefined && { reason }),
        ...(note !== undefined && { note }),
        ...(step !== undefined && { stepId: step }),
        ...(argumentHash !== undefined && { argumentHash }),
        ...(replan && { replan }),
        ...(outcome !== undefined && { outcome }),
      };
      const answer = await client.post<{ status: string; rev: number }>(
        `/runs/${encodeURIComponent(id)}/${name}`,
        body,
      );
      if (json) printJson(answer);
      else print(`${id}  ${coloured(answer.status)}`);
    });
