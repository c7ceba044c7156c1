CREATE TABLE "operation_items" (
	"operation_id" text NOT NULL,
	"cluster_id" text NOT NULL,
	"outcome" text DEFAULT 'PENDING' NOT NULL,
	"effect" text,
	"code" text,
	"detail" text,
	"job_id" text,
	"ended_at" timestamp (3) with time zone,
	CONSTRAINT "operation_items_operation_id_cluster_id_pk" PRIMARY KEY("operation_id","cluster_id"),
	CONSTRAINT "operation_items_outcome" CHECK (outcome in ('PENDING', 'DONE', 'REFUSED', 'FAILED')),
	CONSTRAINT "operation_items_ended" CHECK ((outcome = 'PENDING') = (ended_at is null))
);
--> statement-breakpoint
CREATE TABLE "operations" (
	"id" text PRIMARY KEY NOT NULL,
	"verb" text NOT NULL,
	"hours" double precision,
	"filter" jsonb,
	"requested_by" text NOT NULL,
	"asker" jsonb NOT NULL,
	"total" integer NOT NULL,
	"done" integer DEFAULT 0 NOT NULL,
	"refused" integer DEFAULT 0 NOT NULL,
	"failed" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone,
	CONSTRAINT "operations_verb" CHECK (verb in ('destroy', 'extend', 'retry', 'cancel')),
	CONSTRAINT "operations_counts" CHECK (done + refused + failed <= total)
);
--> statement-breakpoint
ALTER TABLE "operation_items" ADD CONSTRAINT "operation_items_operation_id_operations_id_fk" FOREIGN KEY ("operation_id") REFERENCES "public"."operations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "operation_items_pending" ON "operation_items" USING btree ("operation_id","cluster_id") WHERE outcome = 'PENDING';--> statement-breakpoint
CREATE INDEX "operations_requester" ON "operations" USING btree ("requested_by","id");--> statement-breakpoint
CREATE INDEX "operations_ended" ON "operations" USING btree ("ended_at") WHERE ended_at is not null;