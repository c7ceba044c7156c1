// Triggers of our own in the service's database. They note every write that a promise is about: by which process, in
// which transaction, at what moment, and who held the cluster's lock just then. The service does not know of them.
//
// The server's clock may be stepped under them. On Linux they tell the true time by the machine's uptime, which is not.
import { uptime } from 'node:os'

const WATCHED = [
  'clusters',
  'jobs',
  'job_attempts',
  'job_locks',
  'job_log_chunks',
  'cluster_artifacts',
  'infra_ledger',
  'audit_events',
]

/** Steps are of whole seconds: the uptime is not as precise as the clock, but tells by how many it is off. */
const stepSql =
  process.platform === 'linux'
    ? `round(extract(epoch from told) - ${Date.now() / 1000 - uptime()}
        - split_part(pg_read_file('/proc/uptime', 0, 64), ' ', 1)::numeric)`
    : '0'

export const witnessSql = `
create schema witness;
create function witness.step_seconds(told timestamptz) returns int language sql volatile as $$ select (${stepSql})::int $$;
create table witness.writes (
  id bigserial primary key,
  at timestamptz not null,
  step_seconds int not null,
  tx xid8 not null default pg_current_xact_id(),
  process text not null default coalesce(current_setting('chaos.process', true), ''),
  tbl text not null,
  op text not null,
  cluster_id text,
  job_id text,
  attempt_id text,
  holder_attempt text,
  holder_job text,
  was text,
  becomes text,
  key text
);
create function witness.see() returns trigger language plpgsql as $$
declare
  n jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
  o jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
  r jsonb := coalesce(n, o);
  w witness.writes;
begin
  w.cluster_id := r->>'cluster_id';
  w.job_id := r->>'job_id';
  w.attempt_id := r->>'attempt_id';
  w.at := clock_timestamp();
  w.step_seconds := witness.step_seconds(w.at);
  if tg_table_name = 'clusters' then
    if o->>'status' is not distinct from n->>'status' then return null; end if;
    w.cluster_id := r->>'id'; w.was := o->>'status'; w.becomes := n->>'status';
  elsif tg_table_name = 'jobs' then
    if o->>'status' is not distinct from n->>'status' then return null; end if;
    w.job_id := r->>'id'; w.was := o->>'status'; w.becomes := n->>'status'; w.key := r->>'type';
  elsif tg_table_name = 'job_attempts' then
    w.attempt_id := r->>'id'; w.was := o->>'outcome'; w.becomes := n->>'outcome';
  elsif tg_table_name = 'job_locks' then
    -- A renewal keeps the fence.
    if o->>'fence' = n->>'fence' and o->>'expires_at' is not distinct from n->>'expires_at' then return null; end if;
    w.was := o->>'fence'; w.becomes := n->>'fence'; w.key := o->>'attempt_id';
  elsif tg_table_name = 'cluster_artifacts' then
    w.becomes := r->>'kind'; w.key := r->>'key';
  elsif tg_table_name = 'infra_ledger' then
    w.key := r->>'infra_id';
  elsif tg_table_name = 'audit_events' then
    w.was := r->'detail'->>'from'; w.becomes := r->'detail'->>'to'; w.key := r->>'action';
  end if;
  if w.cluster_id is null and w.job_id is not null then
    select cluster_id into w.cluster_id from public.jobs where id = w.job_id;
  end if;
  select attempt_id, job_id into w.holder_attempt, w.holder_job from public.job_locks where cluster_id = w.cluster_id;
  insert into witness.writes
    (at, step_seconds, tbl, op, cluster_id, job_id, attempt_id, holder_attempt, holder_job, was, becomes, key)
    values (w.at - make_interval(secs => w.step_seconds), w.step_seconds, tg_table_name, tg_op, w.cluster_id, w.job_id,
            w.attempt_id, w.holder_attempt, w.holder_job, w.was, w.becomes, w.key);
  return null;
end $$;
${WATCHED.map(
  (table) =>
    `create trigger witness after insert or update or delete on public.${table} for each row execute function witness.see();`,
).join('\n')}
`
