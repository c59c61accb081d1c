-- What agents can look up, each name once for an agent. What finds it, indexes and vectors, is made of this.
create table agent_documents (
  id text primary key,
  account_id text not null,
  agent text not null,
  name text not null,
  kind text not null check (kind in ('markdown', 'code', 'text')),
  text text not null,
  bytes integer not null,
  hash text not null,
  at timestamptz(3) not null,
  unique (account_id, agent, name)
);

-- Vectors of a model for the passages of a document, in their order, 32-bit numbers one after the other: asking again costs money.
create table agent_document_vectors (
  document_id text not null references agent_documents (id) on delete cascade,
  -- Changes with the model, and with what passages are.
  space text not null,
  dimensions integer not null,
  vectors bytea not null,
  primary key (document_id, space)
);
