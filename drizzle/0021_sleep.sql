CREATE TABLE "cluster_sleeps" (
	"cluster_id" text PRIMARY KEY NOT NULL,
	"reason" text,
	"machines" jsonb NOT NULL,
	"sizes" jsonb NOT NULL,
	"health_checks" text[] NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "hibernated_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "wake_by" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "cluster_sleeps" ADD CONSTRAINT "cluster_sleeps_cluster_id_clusters_id_fk" FOREIGN KEY ("cluster_id") REFERENCES "public"."clusters"("id") ON DELETE no action ON UPDATE no action;