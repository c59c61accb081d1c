-- Money. Everything below is written by billing/ alone; amounts are in the smallest unit of their currency.

-- What never changes once it is written says so itself.
create function billing_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is never changed: write a correction beside it', tg_table_name using errcode = 'restrict_violation';
end $$;

create table ledger_accounts (
  -- Such as receivable:org0:USD.
  id text primary key,
  currency text not null check (currency ~ '^[A-Z]{3}$'),
  created_at timestamptz(3) not null default now(),
  unique (id, currency)
);

create table ledger_postings (
  seq bigint generated always as identity primary key,
  -- What it is about; the same thing is posted once.
  key text not null unique,
  at timestamptz(3) not null,
  memo jsonb not null default '{}',
  xid xid8 not null default pg_current_xact_id()
);

create table ledger_entries (
  posting bigint not null references ledger_postings (seq),
  position integer not null,
  account text not null,
  currency text not null,
  -- Debit above zero, credit below.
  amount bigint not null check (amount <> 0),
  primary key (posting, position),
  foreign key (account, currency) references ledger_accounts (id, currency)
);
create index ledger_entries_by_account on ledger_entries (account, posting) include (amount);

-- At the end of the transaction that writes it, each posting has entries and they balance in each currency.
create function ledger_check_balance() returns trigger language plpgsql as $$
declare
  checked bigint;
  off record;
begin
  if tg_table_name = 'ledger_postings' then
    checked := new.seq;
    if not exists (select from ledger_entries where posting = checked) then
      raise exception 'posting % has no entries', new.key using errcode = 'check_violation';
    end if;
  else
    checked := new.posting;
  end if;
  select currency, sum(amount) as amount into off from ledger_entries where posting = checked
    group by currency having sum(amount) <> 0 limit 1;
  if found then
    raise exception 'posting % is off by % %', checked, off.amount, off.currency using errcode = 'check_violation';
  end if;
  return null;
end $$;
create constraint trigger ledger_posting_balances after insert on ledger_postings deferrable initially deferred
  for each row execute function ledger_check_balance();
create constraint trigger ledger_entry_balances after insert on ledger_entries deferrable initially deferred
  for each row execute function ledger_check_balance();

-- Entries come with their posting, never later.
create function ledger_check_entry() returns trigger language plpgsql as $$
begin
  if not exists (select from ledger_postings where seq = new.posting and xid = pg_current_xact_id()) then
    raise exception 'posting % is closed', new.posting using errcode = 'restrict_violation';
  end if;
  return new;
end $$;
create trigger ledger_entry_in_time before insert on ledger_entries for each row execute function ledger_check_entry();
create trigger ledger_posting_stays before update or delete on ledger_postings
  for each row execute function billing_refuse_change();
create trigger ledger_entry_stays before update or delete on ledger_entries
  for each row execute function billing_refuse_change();
create trigger ledger_postings_stay before truncate on ledger_postings execute function billing_refuse_change();
create trigger ledger_entries_stay before truncate on ledger_entries execute function billing_refuse_change();

create table billing_plans (
  id text not null,
  version integer not null,
  terms jsonb not null,
  created_at timestamptz(3) not null,
  primary key (id, version)
);
create trigger billing_plan_stays before update or delete on billing_plans
  for each row execute function billing_refuse_change();

-- One row for each account that has anything to do with money.
create table billing_accounts (
  account_id text primary key,
  currency text not null,
  soft_limit bigint check (soft_limit >= 0),
  hard_limit bigint check (hard_limit >= 0),
  -- The months for which it has been told that the limit was reached.
  warned_for timestamptz(3),
  stopped_for timestamptz(3),
  created_at timestamptz(3) not null
);

-- Which plan was in force from when on.
create table billing_subscriptions (
  account_id text not null references billing_accounts (account_id),
  since timestamptz(3) not null,
  plan text not null,
  version integer not null,
  primary key (account_id, since),
  foreign key (plan, version) references billing_plans (id, version)
);
create trigger billing_subscription_stays before update or delete on billing_subscriptions
  for each row execute function billing_refuse_change();

create table billing_coupons (
  code text primary key,
  terms jsonb not null,
  created_at timestamptz(3) not null
);
create trigger billing_coupon_stays before update or delete on billing_coupons
  for each row execute function billing_refuse_change();

create table billing_redemptions (
  account_id text not null references billing_accounts (account_id),
  code text not null references billing_coupons (code),
  redeemed_at timestamptz(3) not null,
  primary key (account_id, code)
);

-- Numbers without gaps: a number is taken in the transaction that uses it.
create table billing_numbers (
  account_id text not null,
  series text not null,
  taken bigint not null,
  primary key (account_id, series)
);

-- An invoice takes the facts of its account that ended before period_end and were written up to to_seq, and that no
-- invoice before it took. Both bounds never go back, so each fact is in one invoice.
create table billing_invoices (
  id text primary key,
  account_id text not null,
  kind text not null check (kind in ('invoice', 'credit_note')),
  -- drafted ──▶ issued ──▶ paid, and issued ──▶ void by a credit note of all of it.
  state text not null check (state in ('drafted', 'issued', 'paid', 'void')),
  series text not null,
  number bigint,
  currency text not null,
  period_start timestamptz(3) not null,
  period_end timestamptz(3) not null,
  from_seq bigint not null,
  to_seq bigint not null check (to_seq >= from_seq),
  facts bigint,
  total bigint,
  -- What a credit note takes back from.
  corrects text references billing_invoices (id),
  memo text,
  drafted_at timestamptz(3) not null,
  issued_at timestamptz(3),
  unique (account_id, series, number),
  check (period_end >= period_start),
  check (state = 'drafted' or (number is not null and total is not null and issued_at is not null))
);
create unique index billing_invoices_in_order on billing_invoices (account_id, period_end, to_seq)
  where kind = 'invoice';
create unique index billing_invoices_one_draft on billing_invoices (account_id) where state = 'drafted';

create function billing_guard_invoice() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' or (old.state <> 'drafted' and (to_jsonb(new) - 'state') <> (to_jsonb(old) - 'state'))
    or (old.state, new.state) not in (('drafted', 'drafted'), ('drafted', 'issued'), ('issued', 'paid'), ('issued', 'void')) then
    raise exception 'invoice % is not changed after it was issued: write a credit note', old.id
      using errcode = 'restrict_violation';
  end if;
  return new;
end $$;
create trigger billing_invoice_stays before update or delete on billing_invoices
  for each row execute function billing_guard_invoice();

create table billing_lines (
  invoice text not null references billing_invoices (id),
  position integer not null,
  kind text not null check (kind in ('fee', 'usage', 'discount', 'credit')),
  plan text,
  version integer,
  segment_start timestamptz(3),
  segment_end timestamptz(3),
  meter text,
  facts bigint not null default 0,
  quantity numeric(38, 0) not null default 0,
  amount bigint not null,
  code text,
  primary key (invoice, position)
);
create index billing_lines_by_segment on billing_lines (invoice, segment_start, meter);
create trigger billing_line_stays before update or delete on billing_lines
  for each row execute function billing_refuse_change();

create table billing_payments (
  id text primary key,
  account_id text not null,
  -- Sent by the caller: the same one again is the same payment.
  key text not null,
  provider text not null,
  purpose text not null check (purpose in ('top_up', 'invoice')),
  invoice text references billing_invoices (id),
  currency text not null,
  amount bigint not null check (amount > 0),
  -- created ──▶ pending ──▶ succeeded | failed. Created: the provider may have heard of it, and is asked again.
  state text not null check (state in ('created', 'pending', 'succeeded', 'failed')),
  method text,
  reference text,
  reason text,
  created_at timestamptz(3) not null,
  settled_at timestamptz(3),
  unique (account_id, key)
);
create unique index billing_payments_by_reference on billing_payments (provider, reference) where reference is not null;
create index billing_payments_open on billing_payments (created_at) where state in ('created', 'pending');

-- Notices of providers that were taken in; the same one again changes nothing.
create table billing_notices (
  provider text not null,
  id text not null,
  at timestamptz(3) not null,
  primary key (provider, id)
);

-- The sandbox bank: what it remembers of its side. Its money is in the ledger, in accounts that begin with bank:.
create table bank_cards (
  id text primary key,
  owner text not null,
  last4 text not null,
  currency text not null,
  state text not null check (state in ('unconfirmed', 'bound', 'refused')),
  code_hash text not null,
  tries integer not null default 0,
  created_at timestamptz(3) not null,
  expires_at timestamptz(3) not null
);

create table bank_orders (
  id text primary key,
  token text not null unique,
  card text not null references bank_cards (id),
  -- The id of whoever asked: the same one again is the same order.
  request text not null unique,
  pay_currency text not null,
  pay_amount bigint not null check (pay_amount > 0),
  payee_currency text not null,
  payee_amount bigint not null check (payee_amount > 0),
  -- authorised ──▶ accepted ──▶ captured ──▶ settled ──▶ paid_out, or declined at once.
  state text not null check (state in ('authorised', 'accepted', 'captured', 'settled', 'paid_out', 'declined')),
  created_at timestamptz(3) not null,
  -- Whether whoever asked was told how it went.
  told boolean not null default false
);

-- Of the clearing house: who owes whom for which order, by day; and what was netted at the end of the day.
create table bank_clearing (
  id text primary key,
  order_id text not null references bank_orders (id),
  day date not null,
  from_bank text not null,
  to_bank text not null,
  currency text not null,
  amount bigint not null check (amount > 0)
);
create index bank_clearing_by_day on bank_clearing (day);

create table bank_nettings (
  day date not null,
  bank text not null,
  currency text not null,
  -- Above zero: it receives.
  net bigint not null,
  records bigint not null,
  primary key (day, bank, currency)
);

-- An exchange is two orders: what is sold, and what is bought for it.
create table bank_exchanges (
  id text primary key,
  sell_currency text not null,
  sell_amount bigint not null check (sell_amount > 0),
  buy_currency text not null,
  buy_amount bigint not null check (buy_amount > 0),
  fee bigint not null check (fee >= 0),
  rate_numerator bigint not null check (rate_numerator > 0),
  rate_denominator bigint not null check (rate_denominator > 0),
  state text not null check (state in ('ordered', 'sold', 'bought')),
  ordered_at timestamptz(3) not null
);
