CREATE SEQUENCE "public"."lock_fence" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "api_tokens" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"principal_type" text NOT NULL,
	"principal" text NOT NULL,
	"secret_hash" text NOT NULL,
	"prefix" text NOT NULL,
	"scopes" text[] NOT NULL,
	"created_by" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"last_used_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "audit_events" (
	"id" text PRIMARY KEY NOT NULL,
	"position" bigserial NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"actor" text NOT NULL,
	"actor_kind" text NOT NULL,
	"action" text NOT NULL,
	"cluster_id" text,
	"job_id" text,
	"outcome" text NOT NULL,
	"detail" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"request_id" text,
	"address" text,
	"agent" text,
	CONSTRAINT "audit_events_outcome" CHECK (outcome in ('success', 'failure', 'denied'))
);
--> statement-breakpoint
CREATE TABLE "cluster_artifacts" (
	"id" text PRIMARY KEY NOT NULL,
	"cluster_id" text NOT NULL,
	"attempt_id" text,
	"infra_id" text,
	"kind" text NOT NULL,
	"stage" text NOT NULL,
	"key" text NOT NULL,
	"sha256" text NOT NULL,
	"size_bytes" bigint NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"verified_at" timestamp (3) with time zone,
	CONSTRAINT "cluster_artifacts_kind" CHECK (kind in ('snapshot', 'log', 'metadata'))
);
--> statement-breakpoint
CREATE TABLE "cluster_outputs" (
	"cluster_id" text PRIMARY KEY NOT NULL,
	"api_url" text NOT NULL,
	"console_url" text,
	"kubeconfig_sealed" "bytea" NOT NULL,
	"kubeadmin_password_sealed" "bytea" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "clusters" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"base_domain" text NOT NULL,
	"platform" text NOT NULL,
	"version" text NOT NULL,
	"profile" text NOT NULL,
	"profile_hash" text NOT NULL,
	"profile_snapshot" jsonb NOT NULL,
	"region" text NOT NULL,
	"owner" text NOT NULL,
	"team" text NOT NULL,
	"cost_center" text,
	"status" text NOT NULL,
	"status_reason" text,
	"requested_by" text NOT NULL,
	"request" jsonb NOT NULL,
	"request_tags" jsonb NOT NULL,
	"effective_tags" jsonb NOT NULL,
	"ttl_hours" integer NOT NULL,
	"destroy_at" timestamp (3) with time zone NOT NULL,
	"infra_id" text,
	"protected" boolean DEFAULT false NOT NULL,
	"preserve_on_failure" boolean DEFAULT false NOT NULL,
	"usd_per_hour" double precision NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"ready_at" timestamp (3) with time zone,
	"destroyed_at" timestamp (3) with time zone,
	"destroy_retry_at" timestamp (3) with time zone,
	"destroy_failures" integer DEFAULT 0 NOT NULL,
	"abandoned_at" timestamp (3) with time zone,
	CONSTRAINT "clusters_status" CHECK (status in ('PENDING', 'CREATING', 'READY', 'SCALING', 'HIBERNATING', 'HIBERNATED', 'RESUMING', 'DESTROYING', 'DESTROYED', 'FAILED', 'DESTROY_FAILED')),
	CONSTRAINT "clusters_platform" CHECK (platform in ('aws', 'azure', 'gcp', 'ibmcloud')),
	CONSTRAINT "clusters_name" CHECK (name ~ '^[a-z0-9]([a-z0-9-]{0,19}[a-z0-9])?$'),
	CONSTRAINT "clusters_ttl" CHECK (ttl_hours > 0),
	CONSTRAINT "clusters_destroyed_at" CHECK ((status = 'DESTROYED') = (destroyed_at is not null))
);
--> statement-breakpoint
CREATE TABLE "findings" (
	"id" text PRIMARY KEY NOT NULL,
	"type" text NOT NULL,
	"subject" text NOT NULL,
	"cluster_id" text,
	"detail" text NOT NULL,
	"repair" text,
	"first_seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"last_seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"resolved_at" timestamp (3) with time zone,
	CONSTRAINT "findings_type" CHECK (type in ('job-without-queue-entry', 'queue-entry-without-job', 'lock-without-worker', 'cluster-without-job', 'resources-of-destroyed-cluster', 'resources-without-cluster', 'snapshot-missing', 'snapshot-corrupt'))
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"principal" text NOT NULL,
	"key" text NOT NULL,
	"request_hash" text NOT NULL,
	"status" integer,
	"body" json,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "idempotency_keys_principal_key_pk" PRIMARY KEY("principal","key")
);
--> statement-breakpoint
CREATE TABLE "infra_ledger" (
	"infra_id" text PRIMARY KEY NOT NULL,
	"cluster_id" text NOT NULL,
	"attempt_id" text NOT NULL,
	"metadata" jsonb NOT NULL,
	"snapshot_id" text NOT NULL,
	"bootstrapped_at" timestamp (3) with time zone,
	"installed_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"empty_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "job_attempts" (
	"id" text PRIMARY KEY NOT NULL,
	"job_id" text NOT NULL,
	"number" integer NOT NULL,
	"fence" bigint NOT NULL,
	"worker" text NOT NULL,
	"stage" text DEFAULT 'claimed' NOT NULL,
	"progress_percent" integer DEFAULT 0 NOT NULL,
	"infra_id" text,
	"exit_code" integer,
	"outcome" text,
	"reason" text,
	"fingerprint" text,
	"message" text,
	"started_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp (3) with time zone,
	CONSTRAINT "job_attempts_outcome" CHECK (outcome in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'INTERRUPTED', 'LOST')),
	CONSTRAINT "job_attempts_ended" CHECK ((outcome is null) = (ended_at is null))
);
--> statement-breakpoint
CREATE TABLE "job_locks" (
	"cluster_id" text PRIMARY KEY NOT NULL,
	"job_id" text NOT NULL,
	"attempt_id" text NOT NULL,
	"fence" bigint NOT NULL,
	"worker" text NOT NULL,
	"acquired_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "job_log_chunks" (
	"job_id" text NOT NULL,
	"first_seq" integer NOT NULL,
	"last_seq" integer NOT NULL,
	"lines" jsonb NOT NULL,
	CONSTRAINT "job_log_chunks_job_id_last_seq_pk" PRIMARY KEY("job_id","last_seq")
);
--> statement-breakpoint
CREATE TABLE "jobs" (
	"id" text PRIMARY KEY NOT NULL,
	"cluster_id" text NOT NULL,
	"type" text NOT NULL,
	"status" text DEFAULT 'PENDING' NOT NULL,
	"params" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"max_attempts" integer NOT NULL,
	"requested_by" text NOT NULL,
	"cancel_requested_at" timestamp (3) with time zone,
	"reason" text,
	"message" text,
	"retry_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone,
	CONSTRAINT "jobs_type" CHECK (type in ('CREATE', 'DESTROY', 'SCALE_WORKERS', 'HIBERNATE', 'RESUME', 'JANITOR_DESTROY', 'ORPHAN_SWEEP')),
	CONSTRAINT "jobs_status" CHECK (status in ('PENDING', 'RUNNING', 'RETRYING', 'SUCCEEDED', 'FAILED', 'CANCELLED')),
	CONSTRAINT "jobs_ended" CHECK ((status in ('SUCCEEDED', 'FAILED', 'CANCELLED')) = (ended_at is not null))
);
--> statement-breakpoint
CREATE TABLE "leak_records" (
	"id" text PRIMARY KEY NOT NULL,
	"cluster_id" text NOT NULL,
	"infra_ids" text[] NOT NULL,
	"resources" jsonb,
	"reason" text NOT NULL,
	"recorded_by" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "rbac_mappings" (
	"id" text PRIMARY KEY NOT NULL,
	"principal_type" text NOT NULL,
	"principal" text NOT NULL,
	"team" text NOT NULL,
	"role" text NOT NULL,
	"enabled" boolean DEFAULT true NOT NULL,
	"notes" text,
	"created_by" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "rbac_mappings_role" CHECK (role in ('requester', 'team_admin', 'platform_admin', 'auditor')),
	CONSTRAINT "rbac_mappings_principal_type" CHECK (principal_type in ('iam_user', 'iam_role', 'iam_group', 'oidc_subject', 'oidc_group', 'token'))
);
--> statement-breakpoint
CREATE TABLE "usage_samples" (
	"cluster_id" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"status" text NOT NULL,
	"usd_per_hour" double precision NOT NULL,
	"seconds" integer NOT NULL,
	CONSTRAINT "usage_samples_cluster_id_at_pk" PRIMARY KEY("cluster_id","at")
);
--> statement-breakpoint
ALTER TABLE "cluster_artifacts" ADD CONSTRAINT "cluster_artifacts_cluster_id_clusters_id_fk" FOREIGN KEY ("cluster_id") REFERENCES "public"."clusters"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "cluster_artifacts" ADD CONSTRAINT "cluster_artifacts_attempt_id_job_attempts_id_fk" FOREIGN KEY ("attempt_id") REFERENCES "public"."job_attempts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "cluster_outputs" ADD CONSTRAINT "cluster_outputs_cluster_id_clusters_id_fk" FOREIGN KEY ("cluster_id") REFERENCES "public"."clusters"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "infra_ledger" ADD CONSTRAINT "infra_ledger_cluster_id_clusters_id_fk" FOREIGN KEY ("cluster_id") REFERENCES "public"."clusters"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "infra_ledger" ADD CONSTRAINT "infra_ledger_attempt_id_job_attempts_id_fk" FOREIGN KEY ("attempt_id") REFERENCES "public"."job_attempts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_attempts" ADD CONSTRAINT "job_attempts_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_locks" ADD CONSTRAINT "job_locks_cluster_id_clusters_id_fk" FOREIGN KEY ("cluster_id") REFERENCES "public"."clusters"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_locks" ADD CONSTRAINT "job_locks_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_locks" ADD CONSTRAINT "job_locks_attempt_id_job_attempts_id_fk" FOREIGN KEY ("attempt_id") REFERENCES "public"."job_attempts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "job_log_chunks" ADD CONSTRAINT "job_log_chunks_job_id_jobs_id_fk" FOREIGN KEY ("job_id") REFERENCES "public"."jobs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "jobs" ADD CONSTRAINT "jobs_cluster_id_clusters_id_fk" FOREIGN KEY ("cluster_id") REFERENCES "public"."clusters"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "leak_records" ADD CONSTRAINT "leak_records_cluster_id_clusters_id_fk" FOREIGN KEY ("cluster_id") REFERENCES "public"."clusters"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "usage_samples" ADD CONSTRAINT "usage_samples_cluster_id_clusters_id_fk" FOREIGN KEY ("cluster_id") REFERENCES "public"."clusters"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "api_tokens_secret" ON "api_tokens" USING btree ("secret_hash");--> statement-breakpoint
CREATE INDEX "api_tokens_maker" ON "api_tokens" USING btree ("created_by","id");--> statement-breakpoint
CREATE INDEX "audit_events_cluster" ON "audit_events" USING btree ("cluster_id","id");--> statement-breakpoint
CREATE INDEX "audit_events_actor" ON "audit_events" USING btree ("actor","id");--> statement-breakpoint
CREATE INDEX "cluster_artifacts_cluster" ON "cluster_artifacts" USING btree ("cluster_id","id");--> statement-breakpoint
CREATE UNIQUE INDEX "cluster_artifacts_key" ON "cluster_artifacts" USING btree ("key");--> statement-breakpoint
CREATE INDEX "cluster_artifacts_infra" ON "cluster_artifacts" USING btree ("infra_id","id");--> statement-breakpoint
CREATE UNIQUE INDEX "clusters_name_lease" ON "clusters" USING btree ("name","base_domain") WHERE status <> 'DESTROYED';--> statement-breakpoint
CREATE INDEX "clusters_team" ON "clusters" USING btree ("team","id");--> statement-breakpoint
CREATE INDEX "clusters_owner" ON "clusters" USING btree ("owner","id");--> statement-breakpoint
CREATE INDEX "clusters_status_live" ON "clusters" USING btree ("status","id") WHERE status <> 'DESTROYED';--> statement-breakpoint
CREATE INDEX "clusters_end" ON "clusters" USING btree ("destroy_at") WHERE status <> 'DESTROYED';--> statement-breakpoint
CREATE INDEX "clusters_destroy_retry" ON "clusters" USING btree ("destroy_retry_at") WHERE status in ('FAILED', 'DESTROY_FAILED') and destroy_retry_at is not null;--> statement-breakpoint
CREATE INDEX "clusters_destroyed" ON "clusters" USING btree ("destroyed_at") WHERE status = 'DESTROYED';--> statement-breakpoint
CREATE UNIQUE INDEX "findings_open" ON "findings" USING btree ("type","subject") WHERE resolved_at is null;--> statement-breakpoint
CREATE INDEX "idempotency_keys_expiry" ON "idempotency_keys" USING btree ("expires_at");--> statement-breakpoint
CREATE UNIQUE INDEX "infra_ledger_open" ON "infra_ledger" USING btree ("cluster_id") WHERE empty_at is null;--> statement-breakpoint
CREATE INDEX "infra_ledger_cluster" ON "infra_ledger" USING btree ("cluster_id");--> statement-breakpoint
CREATE UNIQUE INDEX "job_attempts_number" ON "job_attempts" USING btree ("job_id","number");--> statement-breakpoint
CREATE UNIQUE INDEX "job_attempts_open" ON "job_attempts" USING btree ("job_id") WHERE outcome is null;--> statement-breakpoint
CREATE INDEX "jobs_cluster" ON "jobs" USING btree ("cluster_id","id");--> statement-breakpoint
CREATE INDEX "jobs_open" ON "jobs" USING btree ("cluster_id") WHERE status in ('PENDING', 'RUNNING', 'RETRYING');--> statement-breakpoint
CREATE INDEX "jobs_status" ON "jobs" USING btree ("status","id");--> statement-breakpoint
CREATE INDEX "leak_records_cluster" ON "leak_records" USING btree ("cluster_id");--> statement-breakpoint
CREATE UNIQUE INDEX "rbac_mappings_binding" ON "rbac_mappings" USING btree ("principal_type","principal","team","role");