import { Controller, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { desktopNameSchema } from '#events/desktop.js';
import type { Engine } from '../engine.js';
import { DesktopRefusedError } from '../runtimes/desktop/link.js';
import { ENGINE } from '../tokens.js';
import { refuse } from './problem.js';

/** The desktops that missions may use, and who has their controls. */
@Controller('desktops')
export class DesktopsController {
  constructor(@Inject(ENGINE) private readonly engine: Engine) {}

  @Get()
  async list() {
    return { desktops: await this.engine.fleet.list() };
  }

  /** The kill switch: nothing acts on the desktop until it is handed back. */
  @Post(':name/stop')
  @HttpCode(200)
  stop(@Param('name') name: string) {
    return this.control(name, 'stop');
  }

  /** What a person who was at the desktop does at the end: the run that had it goes on. */
  @Post(':name/handback')
  @HttpCode(200)
  handBack(@Param('name') name: string) {
    return this.control(name, 'handback');
  }

  private async control(name: string, what: 'stop' | 'handback') {
    const isName = desktopNameSchema.safeParse(name).success;
    const control = isName ? await this.ask(name, what) : undefined;
    if (control) return { name, control };
    throw refuse(404, 'no-such-desktop', 'no desktop of this name is connected', {
      hint: 'GET /desktops lists those that are',
    });
  }

  private async ask(name: string, what: 'stop' | 'handback') {
    try {
      return await this.engine.fleet.control(name, { do: what });
    } catch (error) {
      if (!(error instanceof DesktopRefusedError)) throw error;
      throw refuse(409, error.code, error.message, { hint: error.body.hint });
    }
  }
}
