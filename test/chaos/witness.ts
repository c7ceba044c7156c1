// Triggers of our own in the service's database. They note every write that a promise is about: by which process, in
// which transaction, at what moment, and who held the cluster's lock just then. The service does not know of them.

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

/** A lock that was renewed less than this share of a lease ago is alive. */
const ALIVE = 0.9

export const witnessSql = (leaseSeconds: number): string => `
create schema witness;
create function witness.up() returns float8 language sql volatile as $$
  select split_part(pg_read_file('/proc/uptime'), ' ', 1)::float8
$$;
create table witness.renewals (cluster_id text primary key, up float8 not null);
create table witness.writes (
  id bigserial primary key,
  at timestamptz not null default clock_timestamp(),
  up float8 not null default witness.up(),
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
  key text,
  broke_live boolean not null default false
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
  w.broke_live := false;
  if tg_table_name = 'clusters' then
    if o->>'status' is not distinct from n->>'status' then return null; end if;
    w.cluster_id := r->>'id'; w.was := o->>'status'; w.becomes := n->>'status';
  elsif tg_table_name = 'jobs' then
    if o->>'status' is not distinct from n->>'status' then return null; end if;
    w.job_id := r->>'id'; w.was := o->>'status'; w.becomes := n->>'status'; w.key := r->>'type';
  elsif tg_table_name = 'job_attempts' then
    w.attempt_id := r->>'id'; w.was := o->>'outcome'; w.becomes := n->>'outcome';
  elsif tg_table_name = 'job_locks' then
    if tg_op <> 'DELETE' then
      insert into witness.renewals values (r->>'cluster_id', witness.up())
        on conflict (cluster_id) do update set up = excluded.up;
    end if;
    if o->>'fence' is not distinct from n->>'fence' then return null; end if;
    w.was := o->>'fence'; w.becomes := n->>'fence'; w.key := o->>'attempt_id';
    w.broke_live := o is not null and exists (select from witness.renewals l
      where l.cluster_id = r->>'cluster_id' and witness.up() - l.up < ${leaseSeconds * ALIVE});
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
    (tbl, op, cluster_id, job_id, attempt_id, holder_attempt, holder_job, was, becomes, key, broke_live)
    values (tg_table_name, tg_op, w.cluster_id, w.job_id, w.attempt_id, w.holder_attempt, w.holder_job,
            w.was, w.becomes, w.key, w.broke_live);
  return null;
end $$;
${WATCHED.map(
  (table) =>
    `create trigger witness after insert or update or delete on public.${table} for each row execute function witness.see();`,
).join('\n')}
`
