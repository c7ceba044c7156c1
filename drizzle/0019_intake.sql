CREATE TABLE "intake_pauses" (
	"id" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"scope" text NOT NULL,
	"name" text NOT NULL,
	"reason" text NOT NULL,
	"ends_at" timestamp (3) with time zone NOT NULL,
	"requested_by" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "intake_pauses_of" UNIQUE("kind","scope","name"),
	CONSTRAINT "intake_pauses_kind" CHECK (kind in ('creates', 'destroys')),
	CONSTRAINT "intake_pauses_scope" CHECK (scope in ('all', 'platform', 'profile', 'team')),
	CONSTRAINT "intake_pauses_name" CHECK ((scope = 'all') = (name = ''))
);
--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "paused_by" text;--> statement-breakpoint
ALTER TABLE "findings" ADD COLUMN "resolved_by" text;--> statement-breakpoint
ALTER TABLE "findings" ADD COLUMN "resolved_reason" text;--> statement-breakpoint
ALTER TABLE "findings" ADD COLUMN "accepted_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "findings" ADD COLUMN "accepted_by" text;--> statement-breakpoint
ALTER TABLE "findings" ADD COLUMN "accepted_reason" text;--> statement-breakpoint
ALTER TABLE "workers" ADD COLUMN "draining_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "workers" ADD COLUMN "drained_by" text;--> statement-breakpoint
CREATE INDEX "jobs_paused" ON "jobs" USING btree ("id") WHERE paused_by is not null;