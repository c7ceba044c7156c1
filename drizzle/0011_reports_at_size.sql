ALTER TABLE "clusters" ADD COLUMN "control_plane_nodes" integer;--> statement-breakpoint
ALTER TABLE "usage_days" ADD COLUMN "is_first" boolean DEFAULT true NOT NULL;--> statement-breakpoint
UPDATE "usage_days" d SET "is_first" = false WHERE EXISTS (
  SELECT 1 FROM "usage_days" o WHERE o."day" = d."day" AND o."cluster_id" = d."cluster_id" AND o."status" < d."status"
    AND (o."status" = 'DESTROY_FAILED') = (d."status" = 'DESTROY_FAILED'));--> statement-breakpoint
-- The same answers as before, by SQL that is inlined into the statements that ask for many, and does not read a whole row.
CREATE FUNCTION usage_of(id text, status text, control_plane_nodes integer, worker_replicas integer, cluster_vcpu integer,
    cluster_usd_per_hour double precision, profile_snapshot jsonb)
  RETURNS TABLE (nodes integer, vcpu integer, usd_per_hour numeric) LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT
    CASE WHEN s.stands THEN coalesce($3, ($7 #>> '{controlPlane,replicas}')::integer, 0) + $4 ELSE 0 END,
    CASE WHEN s.stands THEN $5 ELSE 0 END,
    CASE WHEN s.stands THEN $6::numeric
      WHEN $2 = 'HIBERNATED' THEN coalesce(($7 #>> '{cost,usdPerHourHibernated}')::numeric, 0) ELSE 0 END
  FROM (SELECT $2 IN ('READY', 'SCALING', 'HIBERNATING', 'RESUMING', 'CREATING')
    OR ($2 IN ('DESTROYING', 'DESTROY_FAILED', 'FAILED')
      AND EXISTS (SELECT 1 FROM infra_ledger l WHERE l.cluster_id = $1 AND l.empty_at IS NULL))) AS s (stands)
$$;--> statement-breakpoint
DROP FUNCTION usage_of(clusters);--> statement-breakpoint
CREATE FUNCTION usage_of(c clusters) RETURNS TABLE (nodes integer, vcpu integer, usd_per_hour numeric) LANGUAGE sql STABLE ROWS 1 AS $$
  SELECT u.nodes, u.vcpu, u.usd_per_hour
  FROM usage_of(c.id, c.status, c.control_plane_nodes, c.worker_replicas, c.vcpu, c.usd_per_hour, c.profile_snapshot) AS u
$$;--> statement-breakpoint
-- A cluster that is only asked for has no sample before, and takes nothing.
CREATE OR REPLACE FUNCTION record_usage() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  before timestamptz;
BEGIN
  IF TG_OP = 'INSERT' AND NEW.status = 'PENDING' THEN
    INSERT INTO usage_samples (cluster_id, at, status, nodes, vcpu, usd_per_hour)
      VALUES (NEW.id, date_trunc('milliseconds', clock_timestamp()), NEW.status, 0, 0, 0);
    RETURN NULL;
  END IF;
  SELECT s.at INTO before FROM usage_samples s
    WHERE s.cluster_id = NEW.id AND s.at > now() - interval '1 day' ORDER BY s.at DESC LIMIT 1;
  INSERT INTO usage_samples (cluster_id, at, status, nodes, vcpu, usd_per_hour)
    SELECT NEW.id, greatest(date_trunc('milliseconds', clock_timestamp()), before + interval '1 millisecond'),
      NEW.status, u.nodes, u.vcpu, u.usd_per_hour
    FROM usage_of(NEW.id, NEW.status, NEW.control_plane_nodes, NEW.worker_replicas, NEW.vcpu, NEW.usd_per_hour, NEW.profile_snapshot) AS u;
  RETURN NULL;
END $$;--> statement-breakpoint
DROP INDEX "notices_at";--> statement-breakpoint
CREATE INDEX "notices_at" ON "notices" USING brin ("at");
