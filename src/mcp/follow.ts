import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  inputRequired,
  type CallToolResult,
  type ClientCapabilities,
  type InputRequiredResult,
  type McpServer,
  type RequestStateCodec,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { isRestingStatus } from '#machines/run/run.commands.js';
import { ApiError, part, type Api } from './api.js';
import { refused, told } from './results.js';
import { fileOf } from './tools.js';

/** What a person is asked, as it travels with the client: signed, so that an answer is to the question that was put. */
export interface Question {
  readonly runId: string;
  readonly kind: 'plan' | 'step' | 'doubt';
  readonly stepId?: string;
  readonly argumentHash?: string;
}

interface Run {
  readonly id: string;
  readonly title: string;
  readonly status: string;
  readonly stepsTotal: number;
  readonly stepsFinished: number;
}
interface Step {
  readonly id: string;
  readonly title: string;
  readonly state: string;
  readonly asked: { readonly digest: string; readonly path: string } | null;
}

const DEFAULT_SECONDS = 60;
const LOOK_SECONDS = 2;
const MOST_SHOWN = 2_000;
const KEY = 'answer';

/**
 * `follow_run`: waits until a run rests, and tells how far it is. When it waits for a person and the client can ask one,
 * the person is asked, and the answer is given to the run; else the result says what is open, and `approve`, `reject` and
 * `settle_step` answer it.
 */
export function registerFollow(server: McpServer, api: Api, codec: RequestStateCodec<Question>): void {
  server.registerTool(
    'follow_run',
    {
      description:
        'Waits until a run ends or needs a person, and answers how it stands. A person is asked for approvals where the client can do that.',
      inputSchema: z.strictObject({
        runId: z.string().min(1),
        seconds: z.int().min(0).max(600).default(DEFAULT_SECONDS).describe('how long to wait at most'),
      }),
      annotations: { readOnlyHint: false, openWorldHint: false },
    },
    async ({ runId, seconds }, context) => {
      try {
        const asked = context.mcpReq.requestState<Question>();
        if (asked && asked.runId === runId) await giveAnswer(api, asked, context);
        return await follow({ server, api, codec, context }, runId, seconds, asked !== undefined);
      } catch (error) {
        if (error instanceof ApiError) return refused(error);
        throw error;
      }
    },
  );
}

interface Following {
  readonly server: McpServer;
  readonly api: Api;
  readonly codec: RequestStateCodec<Question>;
  readonly context: ServerContext;
}

async function follow(
  following: Following,
  runId: string,
  seconds: number,
  answered: boolean,
): Promise<CallToolResult | InputRequiredResult> {
  const { api, context } = following;
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const left = Math.max(0, Math.min(LOOK_SECONDS, (deadline - Date.now()) / 1000));
    const run = await api.get<Run>(`/runs/${part(runId)}`, { prefer: `wait=${Math.ceil(left)}` });
    await tellProgress(context, run);
    const question = await questionOf(api, run);
    // A person who has declined once is not asked again in the same breath.
    const declined = answered && context.mcpReq.inputResponses !== undefined && !accepted(context);
    if (question && !declined && canAsk(following.server, context)) return ask(following, run, question);
    if (question || isRestingStatus(run.status) || Date.now() >= deadline || context.mcpReq.signal.aborted)
      return told({ ...run, ...(question && { needs: question }) });
  }
}

async function tellProgress({ mcpReq }: ServerContext, run: Run): Promise<void> {
  const progressToken = mcpReq._meta?.progressToken;
  if (progressToken === undefined) return;
  const params = {
    progressToken,
    progress: run.stepsFinished,
    total: Math.max(run.stepsTotal, run.stepsFinished),
    message: `${run.status}: ${run.stepsFinished} of ${run.stepsTotal} steps`,
  };
  await mcpReq.notify({ method: 'notifications/progress', params });
}

/** What a run waits to hear from a person; nothing, when it waits for none. */
async function questionOf(api: Api, run: Run): Promise<Question | undefined> {
  if (run.status !== 'awaiting-approval' && run.status !== 'executing') return undefined;
  const { steps } = await api.get<{ steps: Step[] }>(`/runs/${part(run.id)}/steps`);
  const asked = steps.find(({ state, asked: what }) => state === 'awaitingApproval' && what !== null);
  if (asked) return { runId: run.id, kind: 'step', stepId: asked.id, argumentHash: asked.asked!.digest };
  const doubted = steps.find(({ state }) => state === 'inQuestion');
  if (doubted) return { runId: run.id, kind: 'doubt', stepId: doubted.id };
  const unasked = steps.some(({ state }) => state === 'awaitingApproval');
  return run.status === 'awaiting-approval' && !unasked ? { runId: run.id, kind: 'plan' } : undefined;
}

/** In the protocol of 2026 each request says what its client can do; before, the session knows. */
function canAsk(server: McpServer, { mcpReq }: ServerContext): boolean {
  const { [CLIENT_CAPABILITIES_META_KEY]: own } = (mcpReq.envelope ?? {}) as Record<
    string,
    ClientCapabilities
  >;
  return (own ?? server.server.getClientCapabilities())?.elicitation !== undefined;
}

async function ask(
  { api, codec, context }: Following,
  run: Run,
  question: Question,
): Promise<InputRequiredResult> {
  const choices = question.kind === 'doubt' ? ['confirmed', 'refuted'] : ['approve', 'reject'];
  const request = inputRequired.elicit({
    message: await wordsOf(api, run, question),
    requestedSchema: {
      type: 'object',
      properties: {
        decision: { type: 'string', enum: choices, title: 'Decision' },
        note: { type: 'string', title: 'Note', description: 'words for the run' },
      },
      required: ['decision'],
    },
  });
  return inputRequired({
    inputRequests: { [KEY]: request },
    requestState: await codec.mint(question, context),
  });
}

async function wordsOf(api: Api, run: Run, { kind, stepId, argumentHash }: Question): Promise<string> {
  const of = `Run ${run.id} (“${run.title}”)`;
  if (kind === 'plan') return `${of}: may its plan be carried out?`;
  if (kind === 'doubt')
    return `${of}: step “${stepId}” was interrupted and nobody can tell whether it took effect. Look, then say: confirmed (it did) or refuted (it did not).`;
  const { bytes } = await api.file(fileOf(run.id, `artifacts/${argumentHash}.json`));
  return `${of}: may step “${stepId}” do this?\n${new TextDecoder().decode(bytes).slice(0, MOST_SHOWN)}`;
}

const answerSchema = z.object({ decision: z.string(), note: z.string().optional() });
const accepted = ({ mcpReq }: ServerContext) => acceptedContent(mcpReq.inputResponses, KEY, answerSchema);

/** Gives a person's answer to the run. Whoever declines leaves the question open. */
async function giveAnswer(api: Api, question: Question, context: ServerContext): Promise<void> {
  const answer = accepted(context);
  if (!answer) return;
  const { stepId, argumentHash } = question;
  const run = `/runs/${part(question.runId)}`;
  const note = answer.note || undefined;
  if (question.kind === 'doubt') await api.post(`${run}/settle`, { stepId, outcome: answer.decision });
  else if (answer.decision === 'approve') await api.post(`${run}/approve`, { stepId, argumentHash, note });
  else await api.post(`${run}/reject`, { stepId, reason: note });
}
