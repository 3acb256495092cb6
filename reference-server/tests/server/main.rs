//! The server as its callers see it: the real binary, real sockets, real MariaDB shards. One concern per file.

mod admin;
mod admission;
mod burn_cpu;
mod connections;
mod contract;
mod departures;
mod disconnects;
mod durability;
mod events;
mod hostile;
mod hot_chats;
mod isolation;
mod join_throttle;
mod live_settings;
mod notifications;
mod overload;
mod publish;
mod push;
mod query_cache;
mod revisions;
mod shutdown;
mod startup;
mod storms;
mod support;
