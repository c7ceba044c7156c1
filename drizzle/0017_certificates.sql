CREATE TABLE "certificate_keys" (
	"kid" text PRIMARY KEY NOT NULL,
	"jwk" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "emptiness_certificates" (
	"id" text PRIMARY KEY NOT NULL,
	"cluster_id" text NOT NULL,
	"job_id" text NOT NULL,
	"document" text NOT NULL,
	"sha256" text NOT NULL,
	"issued_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "emptiness_certificates" ADD CONSTRAINT "emptiness_certificates_cluster_id_clusters_id_fk" FOREIGN KEY ("cluster_id") REFERENCES "public"."clusters"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "emptiness_certificates_cluster" ON "emptiness_certificates" USING btree ("cluster_id","id");