ALTER TABLE "clusters" ADD COLUMN "off_hours" jsonb;--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "overrides" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "announced_for" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "maintenance_until" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "idle_hours" integer;--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "in_use_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "clusters_hours" ON "clusters" USING btree ("id") WHERE status <> 'DESTROYED' and (off_hours is not null or wake_by is not null or maintenance_until is not null);--> statement-breakpoint
CREATE INDEX "clusters_idle" ON "clusters" USING btree ("in_use_at") WHERE status = 'READY' and idle_hours is not null;