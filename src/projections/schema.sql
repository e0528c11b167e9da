create table `artifacts` (`run_id` text not null, `path` text not null, `step_id` text not null, `type` text not null, `media_type` text not null, `digest` text not null, `bytes` bigint not null, `created_at` text not null, primary key (`run_id`, `path`));

create table `checkpoints` (`partition_no` integer not null primary key autoincrement, `seq` bigint not null);

create table `episodic_memory` (`id` text not null primary key, `run_id` text not null, `summary` text not null, `outcome` text not null, `created_at` text not null);

create table `missions` (`id` text not null primary key, `objective` text null, `template` text null, `inputs` json not null, `metadata` json not null, `limits` json not null, `dry_run` integer not null, `run_id` text not null, `created_at` text not null);
create index `missions_created_at_index` on `missions` (`created_at`);

create table `queue_jobs` (`run_id` text not null primary key, `partition_no` integer not null, `state` text not null, `worker` text null, `since` text not null);
create index `queue_jobs_state_since_index` on `queue_jobs` (`state`, `since`);

create table `run_controls` (`run_id` text not null primary key, `state` text not null, `reason` text null, `actor` text not null, `at` text not null, `exhausted` text null, `holder` text null, `lease` text null, `expires_at` text null);

create table `runs` (`id` text not null primary key, `mission_id` text not null, `title` text not null, `template` text null, `status` text not null, `rev` integer not null, `seq` bigint not null, `partition_no` integer not null, `machine` text not null, `dry_run` integer not null, `worker` text null, `epoch` integer not null default 0, `steps_total` integer not null default 0, `steps_finished` integer not null default 0, `parent_run_id` text null, `parent_rev` integer null, `failure` json null, `start_at` text null, `created_at` text not null, `started_at` text null, `finished_at` text null, `updated_at` text not null);
create index `runs_status_created_at_index` on `runs` (`status`, `created_at`);
create index `runs_created_at_id_index` on `runs` (`created_at`, `id`);
create index `runs_mission_id_index` on `runs` (`mission_id`);

create table `semantic_memory` (`id` text not null primary key, `subject` text not null, `fact` text not null, `source` text not null, `created_at` text not null);

create table `steps` (`run_id` text not null, `id` text not null, `position` integer not null, `parent` text null, `title` text not null, `does` text not null, `state` text not null, `attempt` integer not null, `asked` json null, `runtime` text null, `runtime_reason` text null, `output` json null, `failure` json null, `evidence` json null, `duration_ms` double null, `started_at` text null, `finished_at` text null, primary key (`run_id`, `id`));

create table `telemetry` (`id` integer not null primary key autoincrement, `run_id` text not null, `rev` integer not null, `seq` bigint not null, `type` text not null, `at` text not null, `actor` text not null, `statefrom` text not null, `stateto` text not null, `step_id` text null, `attempt` integer null, `duration_ms` double null);
create index `telemetry_run_id_rev_index` on `telemetry` (`run_id`, `rev`);
