import { Module, type DynamicModule } from '@nestjs/common';
import type { Engine } from './engine.js';
import { ControlController } from './gateway/control.controller.js';
import { DesktopsController } from './gateway/desktops.controller.js';
import { EventsController } from './gateway/events.controller.js';
import { FilesController } from './gateway/files.controller.js';
import { LiveController } from './gateway/live.controller.js';
import { Tickets } from './gateway/live-tickets.js';
import { MissionsController } from './gateway/missions.controller.js';
import { ReadYourWrites } from './gateway/read-your-writes.js';
import { RunsController } from './gateway/runs.controller.js';
import { TracesController } from './gateway/traces.controller.js';
import { SystemController } from './gateway/system.controller.js';
import { ENGINE } from './tokens.js';

/**
 * What a process loads. The roles worker and projector live in the engine; the role gateway adds HTTP on top of it.
 * Events, files and control come before runs, whose `:id/:command` would take their paths.
 */
@Module({})
export class AppModule {
  static of(engine: Engine): DynamicModule {
    return {
      module: AppModule,
      controllers: [
        MissionsController,
        EventsController,
        FilesController,
        ControlController,
        LiveController,
        TracesController,
        DesktopsController,
        RunsController,
        SystemController,
      ],
      providers: [
        { provide: ENGINE, useValue: engine },
        { provide: Tickets, useFactory: () => new Tickets() },
        { provide: ReadYourWrites, useFactory: () => new ReadYourWrites(engine) },
      ],
    };
  }
}
