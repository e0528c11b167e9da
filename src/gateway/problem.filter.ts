import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { problemOf, PROBLEM_CONTENT_TYPE } from './problem.js';

/** Every error leaves as RFC 9457 problem+json; what is our own fault is reported, without its words. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly onFault: (error: unknown) => void) {}

  catch(error: unknown, host: ArgumentsHost): void {
    sendProblem(host.switchToHttp().getResponse<FastifyReply>(), error, this.onFault);
  }
}

export function sendProblem(reply: FastifyReply, error: unknown, onFault: (error: unknown) => void): void {
  const problem = problemOf(error);
  if (problem.status === 500) onFault(error);
  if (reply.raw.headersSent) return;
  void reply
    .status(problem.status)
    .header('content-type', PROBLEM_CONTENT_TYPE)
    .send(JSON.stringify(problem));
}
