CREATE TABLE "cluster_warnings" (
	"cluster_id" text NOT NULL,
	"end_revision" integer NOT NULL,
	"mark" text NOT NULL,
	"at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "cluster_warnings_cluster_id_end_revision_mark_pk" PRIMARY KEY("cluster_id","end_revision","mark")
);
--> statement-breakpoint
CREATE TABLE "usage_days" (
	"day" date NOT NULL,
	"cluster_id" text NOT NULL,
	"status" text NOT NULL,
	"team" text NOT NULL,
	"owner" text NOT NULL,
	"profile" text NOT NULL,
	"cost_center" text,
	"platform" text NOT NULL,
	"region" text NOT NULL,
	"seconds" numeric(9, 3) NOT NULL,
	"node_seconds" numeric(14, 3) NOT NULL,
	"vcpu_seconds" numeric(16, 3) NOT NULL,
	"usd_seconds" numeric(24, 9) NOT NULL,
	CONSTRAINT "usage_days_day_cluster_id_status_pk" PRIMARY KEY("day","cluster_id","status")
);
--> statement-breakpoint
CREATE TABLE "usage_days_rolled" (
	"day" date PRIMARY KEY NOT NULL,
	"clusters" integer NOT NULL,
	"usd_seconds" numeric(26, 9) NOT NULL,
	"rolled_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "end_revision" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "end_set_at" timestamp (3) with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "warn_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "protected_until" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "clusters" ADD COLUMN "protected_reason" text;--> statement-breakpoint
ALTER TABLE "cluster_warnings" ADD CONSTRAINT "cluster_warnings_cluster_id_clusters_id_fk" FOREIGN KEY ("cluster_id") REFERENCES "public"."clusters"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "clusters_protected_until" ON "clusters" USING btree ("protected_until") WHERE protected_until is not null;--> statement-breakpoint
CREATE INDEX "clusters_warn" ON "clusters" USING btree ("warn_at") WHERE warn_at is not null;--> statement-breakpoint
UPDATE "clusters" SET "protected_until" = now() + interval '30 days', "protected_reason" = 'protected before protections had an end' WHERE "protected";--> statement-breakpoint
ALTER TABLE "clusters" ADD CONSTRAINT "clusters_protected" CHECK (protected = (protected_until is not null));--> statement-breakpoint
-- Nothing has written samples so far.
DROP TABLE "usage_samples";--> statement-breakpoint
CREATE TABLE "usage_samples" (
	"cluster_id" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"status" text NOT NULL,
	"nodes" integer NOT NULL,
	"vcpu" integer NOT NULL,
	"usd_per_hour" numeric(14, 6) NOT NULL,
	CONSTRAINT "usage_samples_cluster_id_at_pk" PRIMARY KEY("cluster_id","at")
) PARTITION BY RANGE ("at");--> statement-breakpoint
CREATE INDEX "usage_samples_at" ON "usage_samples" USING btree ("at");--> statement-breakpoint
-- Takes what no month's partition takes, so that no change of a cluster fails for want of one.
CREATE TABLE "usage_samples_default" PARTITION OF "usage_samples" DEFAULT;--> statement-breakpoint
-- Makes the partition of the month (UTC) that the time is in. What the default partition has of it moves along.
CREATE FUNCTION make_usage_partition(wanted timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  month_start timestamp := date_trunc('month', wanted AT TIME ZONE 'utc');
  month_end timestamp := month_start + interval '1 month';
  part text := 'usage_samples_' || to_char(month_start, 'YYYYMM');
BEGIN
  IF to_regclass(part) IS NOT NULL THEN
    RETURN false;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('usage partitions', 0));
  BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE usage_samples INCLUDING ALL)', part);
  EXCEPTION WHEN duplicate_table THEN
    RETURN false;
  END;
  -- Its writers wait meanwhile, so that none of them writes what would be left behind.
  LOCK TABLE usage_samples_default IN SHARE ROW EXCLUSIVE MODE;
  EXECUTE format('WITH moved AS (DELETE FROM usage_samples_default WHERE at >= $1 AND at < $2 RETURNING *) INSERT INTO %I SELECT * FROM moved', part)
    USING month_start AT TIME ZONE 'utc', month_end AT TIME ZONE 'utc';
  EXECUTE format('ALTER TABLE usage_samples ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
    part, month_start AT TIME ZONE 'utc', month_end AT TIME ZONE 'utc');
  RETURN true;
END $$;
--> statement-breakpoint
SELECT make_usage_partition(now() + make_interval(months => n)) FROM generate_series(0, 2) AS n;--> statement-breakpoint
-- What a cluster takes and costs as it is. A cluster costs from the moment that something of it may stand in the cloud.
CREATE FUNCTION usage_of(c clusters, OUT nodes integer, OUT vcpu integer, OUT usd_per_hour numeric) LANGUAGE plpgsql STABLE AS $$
BEGIN
  IF c.status IN ('READY', 'SCALING', 'HIBERNATING', 'RESUMING', 'CREATING')
    OR (c.status IN ('DESTROYING', 'DESTROY_FAILED', 'FAILED')
      AND EXISTS (SELECT 1 FROM infra_ledger l WHERE l.cluster_id = c.id AND l.empty_at IS NULL))
  THEN
    nodes := coalesce((c.profile_snapshot #>> '{controlPlane,replicas}')::integer, 0) + c.worker_replicas;
    vcpu := c.vcpu;
    usd_per_hour := c.usd_per_hour::numeric;
  ELSE
    nodes := 0;
    vcpu := 0;
    usd_per_hour := CASE WHEN c.status = 'HIBERNATED'
      THEN coalesce((c.profile_snapshot #>> '{cost,usdPerHourHibernated}')::numeric, 0) ELSE 0 END;
  END IF;
END $$;
--> statement-breakpoint
-- The cluster's row is locked, so the clock at this moment gives the order of its changes; the start of the transaction
-- would not. A clock that was stepped back puts no sample before an older one.
CREATE FUNCTION record_usage() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  before timestamptz;
BEGIN
  SELECT s.at INTO before FROM usage_samples s
    WHERE s.cluster_id = NEW.id AND s.at > now() - interval '1 day' ORDER BY s.at DESC LIMIT 1;
  INSERT INTO usage_samples (cluster_id, at, status, nodes, vcpu, usd_per_hour)
    SELECT NEW.id, greatest(date_trunc('milliseconds', clock_timestamp()), before + interval '1 millisecond'),
      NEW.status, u.nodes, u.vcpu, u.usd_per_hour FROM usage_of(NEW) AS u;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER clusters_usage_begins AFTER INSERT ON clusters FOR EACH ROW EXECUTE FUNCTION record_usage();--> statement-breakpoint
CREATE TRIGGER clusters_usage_changes AFTER UPDATE ON clusters FOR EACH ROW
  WHEN (OLD.status IS DISTINCT FROM NEW.status OR OLD.worker_replicas IS DISTINCT FROM NEW.worker_replicas
    OR OLD.vcpu IS DISTINCT FROM NEW.vcpu OR OLD.usd_per_hour IS DISTINCT FROM NEW.usd_per_hour)
  EXECUTE FUNCTION record_usage();--> statement-breakpoint
-- The history of the clusters that exist is in the audit trail. What a state cost then is taken to be what it costs now.
INSERT INTO usage_samples (cluster_id, at, status, nodes, vcpu, usd_per_hour)
SELECT c.id, e.at, e.status, u.nodes, u.vcpu, u.usd_per_hour
FROM (
  SELECT DISTINCT ON (cluster_id, at) cluster_id, at,
    CASE WHEN action = 'cluster.request' THEN 'PENDING' ELSE detail ->> 'to' END AS status
  FROM audit_events
  WHERE cluster_id IS NOT NULL AND action LIKE 'cluster.%' AND (action = 'cluster.request' OR detail ->> 'to' IN (
    'PENDING', 'CREATING', 'READY', 'SCALING', 'HIBERNATING', 'HIBERNATED', 'RESUMING', 'DESTROYING', 'DESTROYED', 'FAILED', 'DESTROY_FAILED'))
  ORDER BY cluster_id, at, position DESC
) e
JOIN clusters c ON c.id = e.cluster_id
CROSS JOIN LATERAL usage_of(jsonb_populate_record(c, jsonb_build_object('status', e.status))) AS u;--> statement-breakpoint
-- From now on the end has the grace in it.
UPDATE "clusters" SET "destroy_at" = "destroy_at" + make_interval(hours => "grace_hours"), "grace_hours" = 0
WHERE "status" <> 'DESTROYED' AND "grace_hours" > 0;--> statement-breakpoint
-- When the next warning of an end is due is reckoned by the first run that gives them.
UPDATE "clusters" SET "warn_at" = now() WHERE "status" NOT IN ('DESTROYING', 'DESTROYED', 'DESTROY_FAILED');
