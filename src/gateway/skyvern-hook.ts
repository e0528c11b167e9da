import type { FastifyInstance } from 'fastify';
import { isSigned, runOfWebhook } from '../runtimes/browser/skyvern/webhook.js';
import { problem, PROBLEM_CONTENT_TYPE } from './problem.js';

export const SKYVERN_HOOK_PATH = '/hooks/skyvern';
const MOST_BYTES = 5 * 1024 * 1024;

/**
 * Where Skyvern tells that a run has ended. Only what its key signed is heard, over the raw body, and all that it does is
 * to wake whoever waits: what became of the run, Skyvern itself is asked.
 */
export function mountSkyvernHook(
  fastify: FastifyInstance,
  { apiKey, wake }: { apiKey: string | undefined; wake: (runId: string) => void },
): void {
  void fastify.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MOST_BYTES }, (_request, body, parsed) =>
      parsed(null, body),
    );
    scope.post<{ Body: Buffer | undefined }>(SKYVERN_HOOK_PATH, (request, reply) => {
      const body = request.body ?? Buffer.alloc(0);
      const signature = request.headers['x-skyvern-signature'];
      const signed =
        apiKey !== undefined && isSigned(body, typeof signature === 'string' ? signature : undefined, apiKey);
      if (!signed) {
        const refusal = problem(401, 'not-signed', 'the signature is not Skyvern’s', {
          hint: 'Skyvern signs with the key that SKYVERN_API_KEY holds',
        });
        return reply.status(401).header('content-type', PROBLEM_CONTENT_TYPE).send(JSON.stringify(refusal));
      }
      const runId = runOfWebhook(body);
      if (runId !== undefined) wake(runId);
      return reply.status(204).send();
    });
    done();
  });
}
