CREATE TABLE "installation" (
	"is_only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"id" text NOT NULL,
	"key_fingerprint" text NOT NULL,
	"store_marked_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "installation_is_only" CHECK (is_only)
);
--> statement-breakpoint
ALTER TABLE "findings" DROP CONSTRAINT "findings_type";--> statement-breakpoint
DROP INDEX "infra_ledger_open";--> statement-breakpoint
ALTER TABLE "infra_ledger" ALTER COLUMN "attempt_id" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "look_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "looks" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "clusters_look" ON "clusters" USING btree ("look_at") WHERE look_at is not null;--> statement-breakpoint
CREATE INDEX "infra_ledger_open" ON "infra_ledger" USING btree ("cluster_id") WHERE empty_at is null;--> statement-breakpoint
ALTER TABLE "findings" ADD CONSTRAINT "findings_type" CHECK (type in ('job-without-queue-entry', 'queue-entry-without-job', 'lock-without-worker', 'cluster-without-job', 'resources-of-destroyed-cluster', 'resources-without-cluster', 'snapshot-missing', 'snapshot-corrupt', 'cluster-adopted'));