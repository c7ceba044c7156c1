ALTER TABLE "jobs" ADD COLUMN "log_moved_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "log_artifact_id" text;--> statement-breakpoint
CREATE INDEX "jobs_log_here" ON "jobs" USING btree ("ended_at") WHERE ended_at is not null and log_moved_at is null;