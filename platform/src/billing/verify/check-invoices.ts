import type { Check } from './check.ts'

/** Numerator and denominator to a whole number, half to even, for what is not below zero. */
const halfEven = (n: string, d: string) =>
  `(div(${n}, ${d}) + case when 2 * mod(${n}, ${d}) > ${d} or (2 * mod(${n}, ${d}) = ${d} and mod(div(${n}, ${d}), 2) = 1) then 1 else 0 end)`

/** What every invoice should say, from nothing but facts, plans, subscriptions and the bounds of invoices. */
const recomputed = `
with invoices as (
  select *, row_number() over in_order as nth from billing_invoices where kind = 'invoice' and state <> 'drafted'
  window in_order as (partition by account_id order by period_end, to_seq)
),
taken as materialized (
  -- The first invoice whose bounds hold a fact has it.
  select i.account_id, i.id as invoice, i.nth, f.ended_at, f.kind, f.cpu_ms, f.memory_mb_ms, f.memory_held_mb_ms, f.disk_mb_ms,
    f.network_in_bytes, f.network_out_bytes, f.gpu_ms, f.model_input_tokens, f.model_cached_tokens, f.model_output_tokens,
    (extract(epoch from f.ended_at) - extract(epoch from f.started_at)) * 1000 as lasted
  from usage_facts f cross join lateral (
    select id, nth, account_id from invoices where account_id = f.account_id and f.ended_at < period_end and f.seq <= to_seq
    order by nth limit 1) i
),
reach as (
  select account_id, min(from_at) as from_at, max(to_at) as to_at from (
    select account_id, min(period_start) as from_at, max(period_end) as to_at from invoices group by account_id
    union all select account_id, min(ended_at), max(ended_at) from taken group by account_id) r group by account_id
),
cuts as (
  select account_id, month at time zone 'UTC' as at from reach,
    generate_series(date_trunc('month', from_at at time zone 'UTC'), date_trunc('month', to_at at time zone 'UTC') + interval '1 month',
      interval '1 month') as month
  union select account_id, since from billing_subscriptions
  union select account_id, period_end from invoices
),
stretches as (
  select account_id, at as start, lead(at) over (partition by account_id order by at) as stop from cuts
),
segments as (
  select s.account_id, s.start, s.stop, a.currency, p.terms,
    extract(epoch from s.stop - s.start) * 1000 as part,
    extract(epoch from ((date_trunc('month', s.start at time zone 'UTC') + interval '1 month') at time zone 'UTC')
      - (date_trunc('month', s.start at time zone 'UTC') at time zone 'UTC')) * 1000 as month
  from stretches s join billing_accounts a on a.account_id = s.account_id
  left join lateral (select plan, version from billing_subscriptions where account_id = s.account_id and since <= s.start
    order by since desc limit 1) on_plan on true
  join billing_plans p on p.id = coalesce(on_plan.plan, 'free') and p.version = coalesce(on_plan.version, 1)
  where s.stop is not null
),
sums as (
  select t.account_id, t.invoice, t.nth, s.start, count(*) as facts,
    sum(greatest(lasted, (terms->>'minimumMs')::numeric)) filter (where kind = 'sandbox') as sandbox,
    sum(greatest(lasted, (terms->>'minimumMs')::numeric)) filter (where kind = 'function') as function,
    sum(greatest(lasted, (terms->>'minimumMs')::numeric)) filter (where kind = 'agent') as agent,
    sum(cpu_ms) as cpu, sum(memory_mb_ms) as memory, sum(memory_held_mb_ms) as memory_held, sum(disk_mb_ms) as disk,
    sum(network_in_bytes) as network_in, sum(network_out_bytes) as network_out, sum(gpu_ms) as gpu,
    sum(model_input_tokens) as model_input, sum(model_cached_tokens) as model_cached, sum(model_output_tokens) as model_output
  from taken t join segments s on s.account_id = t.account_id and t.ended_at >= s.start and t.ended_at < s.stop
  group by t.account_id, t.invoice, t.nth, s.start
),
used as (
  select account_id, invoice, nth, start, sums.facts, meter, coalesce(quantity, 0) as quantity,
    sum(coalesce(quantity, 0)) over (partition by account_id, start, meter order by nth) as until
  from sums cross join lateral (values ('sandbox.time', sandbox), ('function.time', function), ('agent.time', agent),
    ('cpu', cpu), ('memory', memory), ('memory.held', memory_held), ('disk', disk),
    ('network.in', network_in), ('network.out', network_out), ('gpu', gpu),
    ('model.input', model_input), ('model.cached', model_cached), ('model.output', model_output))
    as m (meter, quantity)
),
rated as (
  select u.*, (s.terms->'prices'->s.currency->'rates'->u.meter->>'minor')::numeric as minor,
    (s.terms->'prices'->s.currency->'rates'->u.meter->>'per')::numeric as per,
    div(coalesce((s.terms->'included'->>u.meter)::numeric, 0) * s.part, s.month) as included
  from used u join segments s on s.account_id = u.account_id and s.start = u.start where u.quantity <> 0
),
usage_lines as (
  select invoice, start, meter, facts, quantity, coalesce(
    ${halfEven('greatest(until - included, 0) * minor', 'per')}
    - ${halfEven('greatest(until - quantity - included, 0) * minor', 'per')}, 0) as amount
  from rated
),
fee_lines as (
  select i.id as invoice, s.start, null::text as meter, 0::bigint as facts, s.part as quantity,
    ${halfEven(`(s.terms->'prices'->s.currency->>'monthly')::numeric * s.part`, 's.month')} as amount
  from invoices i join segments s on s.account_id = i.account_id and s.start >= i.period_start and s.start < i.period_end
  where (s.terms->'prices'->s.currency->>'monthly')::numeric > 0
),
charges as (
  select *, 'usage' as kind from usage_lines union all select *, 'fee' from fee_lines where amount <> 0
),
subtotals as (
  select i.id as invoice, i.account_id, i.period_start, i.period_end, coalesce(sum(c.amount), 0) as amount
  from invoices i left join charges c on c.invoice = i.id group by i.id, i.account_id, i.period_start, i.period_end
),
wished as (
  select s.invoice, s.amount as subtotal, r.code, r.redeemed_at, coalesce((c.terms->>'minor')::numeric,
    ${halfEven(`s.amount * coalesce((c.terms->>'basisPoints')::numeric, 0)`, '10000')}) as wish
  from subtotals s join billing_redemptions r on r.account_id = s.account_id and r.redeemed_at < s.period_end
  join billing_coupons c on c.code = r.code
  where c.terms->>'months' is null or s.period_start < (date_trunc('month', r.redeemed_at at time zone 'UTC')
    + make_interval(months => (c.terms->>'months')::integer)) at time zone 'UTC'
),
discounts as (
  select invoice, code, -greatest(0, least(wish, subtotal - coalesce(sum(wish) over (partition by invoice
    order by redeemed_at, code rows between unbounded preceding and 1 preceding), 0))) as amount
  from wished
)`

export const invoiceChecks: Check[] = [
  {
    what: 'invoice',
    sql: `${recomputed},
      written as (select * from billing_lines where invoice in (select id from invoices)),
      unlike as (
        select 'line of an invoice' as what, coalesce(c.invoice, l.invoice) as invoice,
          concat_ws(' ', coalesce(c.kind, l.kind), coalesce(c.meter, l.meter),
            to_char(coalesce(c.start, l.segment_start) at time zone 'UTC', 'YYYY-MM-DD')) as subject,
          coalesce(c.amount, 0) as expected, coalesce(l.amount, 0) as found, true as is_money
        from charges c full join (select * from written where kind in ('usage', 'fee')) l on l.invoice = c.invoice
          and l.kind = c.kind and l.segment_start = c.start and l.meter is not distinct from c.meter
        where c.amount is distinct from l.amount
        union all
        select 'quantity of a line', c.invoice, concat_ws(' ', c.kind, c.meter), c.quantity, l.quantity, false
        from charges c join written l on l.invoice = c.invoice and l.kind = c.kind and l.segment_start = c.start
          and l.meter is not distinct from c.meter
        where c.quantity <> l.quantity
        union all
        select 'facts of an invoice', i.id, '', count(t.invoice), i.facts, false
        from invoices i left join taken t on t.invoice = i.id group by i.id, i.facts having count(t.invoice) <> i.facts
        union all
        select 'discount of an invoice', coalesce(d.invoice, l.invoice), coalesce(d.code, l.code), coalesce(d.amount, 0),
          coalesce(l.amount, 0), true
        from (select * from discounts where amount <> 0) d
          full join (select * from written where kind = 'discount') l on l.invoice = d.invoice and l.code = d.code
        where d.amount is distinct from l.amount)
      select what, invoice || ' ' || subject as subject, case when is_money then i.currency else '' end as currency,
        expected::numeric(38, 0)::text as expected, found::numeric(38, 0)::text as found
      from unlike join billing_invoices i on i.id = unlike.invoice`,
  },
  {
    what: 'total of an invoice',
    sql: `select i.id as subject, i.currency, coalesce(sum(l.amount), 0)::text as expected, i.total::text as found
      from billing_invoices i left join billing_lines l on l.invoice = i.id where i.state <> 'drafted'
      group by i.id having coalesce(sum(l.amount), 0) <> i.total`,
  },
  {
    what: 'numbers without gaps',
    sql: `select coalesce(n.account_id, i.account_id) || ' ' || coalesce(n.series, i.series) as subject, '' as currency,
        coalesce(n.taken, 0)::text as expected, coalesce(i.there, 0)::text as found
      from billing_numbers n full join (select account_id, series, count(*) as there, max(number) as last from billing_invoices
        where state <> 'drafted' group by account_id, series) i on i.account_id = n.account_id and i.series = n.series
      where n.taken is distinct from i.there or n.taken is distinct from i.last`,
  },
  {
    what: 'bounds of an invoice, where the one before it ends',
    sql: `select id as subject, '' as currency, last_seq::text as expected, from_seq::text as found from (
        select *, lag(period_end) over in_order as last_end, lag(to_seq) over in_order as last_seq from billing_invoices
        where kind = 'invoice' window in_order as (partition by account_id order by period_end, to_seq)) i
      where last_end is not null and (last_end <> period_start or last_seq <> from_seq)`,
  },
  {
    what: 'credit notes of an invoice, at most its total',
    sql: `select i.id as subject, i.currency, i.total::text as expected, (-sum(n.total))::text as found
      from billing_invoices i join billing_invoices n on n.corrects = i.id group by i.id having -sum(n.total) > i.total`,
  },
]
