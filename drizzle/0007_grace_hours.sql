ALTER TABLE "clusters" ADD COLUMN "grace_hours" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
-- Of those destroyed it does not count any more.
UPDATE "clusters" SET "grace_hours" = coalesce(("profile_snapshot" #>> '{lifecycle,graceHours}')::integer, 0) WHERE "status" <> 'DESTROYED';
