CREATE TABLE "workers" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"abilities" jsonb NOT NULL,
	"started_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"seen_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "infra_ledger" ADD COLUMN "not_begun_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "workers_seen" ON "workers" USING btree ("seen_at");