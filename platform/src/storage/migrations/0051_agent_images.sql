-- What a message to an agent shows beside its words: hashes, types and sizes. The images themselves are in agent_blobs.
alter table agent_inbox add column images json;
