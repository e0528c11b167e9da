import { artifactsProjection } from './artifacts/artifacts.projection.js';
import { ArtifactRow } from './artifacts/artifacts.entity.js';
import { CheckpointRow } from './checkpoints/checkpoints.entity.js';
import { EpisodicMemoryRow } from './episodic-memory/episodic-memory.entity.js';
import { missionsProjection } from './missions/missions.projection.js';
import { MissionRow } from './missions/missions.entity.js';
import type { Projection } from './projection.js';
import { queueJobsProjection } from './queue-jobs/queue-jobs.projection.js';
import { QueueJobRow } from './queue-jobs/queue-jobs.entity.js';
import { runControlsProjection } from './run-controls/run-controls.projection.js';
import { RunControlRow } from './run-controls/run-controls.entity.js';
import { runsProjection } from './runs/runs.projection.js';
import { RunRow } from './runs/runs.entity.js';
import { SemanticMemoryRow } from './semantic-memory/semantic-memory.entity.js';
import { stepsProjection } from './steps/steps.projection.js';
import { StepRow } from './steps/steps.entity.js';
import { telemetryProjection } from './telemetry/telemetry.projection.js';
import { TelemetryRow } from './telemetry/telemetry.entity.js';

/** Every table. */
export const entities = [
  MissionRow,
  RunRow,
  StepRow,
  ArtifactRow,
  QueueJobRow,
  TelemetryRow,
  EpisodicMemoryRow,
  SemanticMemoryRow,
  RunControlRow,
  CheckpointRow,
];

/** Every fold of the run events. */
export const projections: readonly Projection[] = [
  missionsProjection,
  runsProjection,
  stepsProjection,
  artifactsProjection,
  queueJobsProjection,
  telemetryProjection,
  runControlsProjection,
];
