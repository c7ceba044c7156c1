ALTER TABLE "clusters" ADD COLUMN "worker_replicas" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "vcpu" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "clusters_team_spend" ON "clusters" USING btree ("team","destroyed_at");--> statement-breakpoint
CREATE INDEX "clusters_profile_spend" ON "clusters" USING btree ("profile","destroyed_at");--> statement-breakpoint
CREATE INDEX "clusters_ready" ON "clusters" USING btree ("profile","region","ready_at") WHERE ready_at is not null;--> statement-breakpoint
UPDATE "clusters" SET
  "worker_replicas" = ("profile_snapshot" #>> '{workers,replicas}')::int,
  "profile_snapshot" = ("profile_snapshot" - 'maxAttempts') || jsonb_build_object(
    'retry', jsonb_build_object('maxAttempts', "profile_snapshot" -> 'maxAttempts'),
    'deadlines', '{"installMinutes": 180, "destroyMinutes": 45}'::jsonb,
    'features', '{"fips": false, "private": false, "offHours": false}'::jsonb,
    'tags', jsonb_build_object('fixed', "profile_snapshot" -> 'tags', 'defaults', '{}'::jsonb, 'required', '[]'::jsonb, 'patterns', '{}'::jsonb),
    'networking', ("profile_snapshot" -> 'networking') || jsonb_build_object('machineNetwork', jsonb_build_array("profile_snapshot" #> '{networking,machineNetwork}')))
WHERE "profile_snapshot" ? 'maxAttempts';
