CREATE TABLE "gauges" (
	"id" integer PRIMARY KEY NOT NULL,
	"claimed_at" timestamp (3) with time zone NOT NULL,
	"reckoned_at" timestamp (3) with time zone,
	"seconds" double precision,
	"readings" jsonb,
	CONSTRAINT "gauges_one" CHECK (id = 1)
);
--> statement-breakpoint
ALTER TABLE "jobs" ADD COLUMN "traceparent" text;