import type pg from 'pg'

/**
 * Events are read in the order of the transactions that wrote them, and a server begins to count those anew: what was restored
 * would come after what happens from now on, and readers would wait for years. So all restored events are of one transaction that
 * is before any of this server, with the order they had, and readers stand where they stood among them.
 */
export async function forgetTransactions(client: pg.Client): Promise<void> {
  // The numbers stay the same set: where two events had been numbered against their order, they change places.
  await client.query(`
    create temp table moved on commit drop as
    select by_order.xid, by_order.seq, by_seq.seq as now
    from (select xid, seq, row_number() over (order by xid, seq) as place from events) by_order
    join (select seq, row_number() over (order by seq) as place from events) by_seq using (place)`)
  await client.query(`
    update event_cursors c set (xid, seq) = (
      select coalesce(max('1'::xid8), '0'), coalesce(max(now), 0) from moved m where (m.xid, m.seq) <= (c.xid, c.seq))`)
  await client.query(`update events e set seq = -now from moved m where m.seq = e.seq and m.now <> m.seq`)
  await client.query(`update events set xid = '1', seq = abs(seq)`)
  // What was made before the backup was made before all that is not read yet.
  await client.query(`update function_storage_triggers set since = '0'`)
  await client.query(`update function_event_triggers set since = '0'`)
  // Entries may join a posting in its own transaction only: it is over.
  await client.query(`update ledger_postings set xid = '0'`)
}
