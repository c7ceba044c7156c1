ALTER TABLE "audit_events" ADD COLUMN "session" text;--> statement-breakpoint
ALTER TABLE "cluster_artifacts" ADD COLUMN "key_id" text;--> statement-breakpoint
CREATE INDEX "api_tokens_prefix" ON "api_tokens" USING btree ("prefix") WHERE revoked_at is null;--> statement-breakpoint
CREATE INDEX "cluster_artifacts_sealed_with" ON "cluster_artifacts" USING btree ("key_id","id");--> statement-breakpoint
-- Every process keeps roles and tokens in memory until it hears of a change, whoever makes it.
CREATE FUNCTION announce_access() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('ocpctl_events', 'access all');
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER rbac_mappings_announced AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON rbac_mappings
  FOR EACH STATEMENT EXECUTE FUNCTION announce_access();
--> statement-breakpoint
-- Not of last_used_at, which tells nobody anything new.
CREATE TRIGGER api_tokens_announced AFTER INSERT OR DELETE OR TRUNCATE
  OR UPDATE OF principal_type, principal, secret_hash, prefix, scopes, expires_at, revoked_at ON api_tokens
  FOR EACH STATEMENT EXECUTE FUNCTION announce_access();
