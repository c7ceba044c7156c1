DROP INDEX "clusters_destroy_retry";--> statement-breakpoint
ALTER TABLE "cluster_artifacts" ADD COLUMN "infra_id" text;--> statement-breakpoint
CREATE INDEX "cluster_artifacts_infra" ON "cluster_artifacts" USING btree ("infra_id","id");--> statement-breakpoint
CREATE INDEX "clusters_destroy_retry" ON "clusters" USING btree ("destroy_retry_at") WHERE status in ('FAILED', 'DESTROY_FAILED') and destroy_retry_at is not null;