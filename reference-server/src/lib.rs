//! `hotchat`: a small OpenChat whose overload remedies are switches, so that their effect can be measured.
//!
//! ```text
//! cli.rs        arguments, exit codes, logging
//! service.rs    wires everything together; runs until asked to stop, then drains
//! config/       the configuration file; `settings` is the part that experiments vary, `live` the settings in force
//! auth.rs       caller tokens: who is calling, until when
//! http/         one file per route; rejections, request metrics
//!   admission/  the global limit: who waits for a slot, how long and in which order; one policy per file
//!   admin/      one file per route of the admin API
//! bus/          the partitioned log of what has happened: sends, fetches, joins
//! publish/      the consumer of that log: finds hot chats, marks them in Redis, pushes events, notifies members
//! fan_out.rs    the path from a stored event to its members, wired together
//! join_throttle/ decides whether a user may join a chat now: five implementations, one per file
//! redis.rs      the connection to Redis: connected or away, never waited for
//! clock.rs      the time that records carry
//! deadline.rs   how long a caller waits, from the edge to the last statement
//! cpu.rs        burns CPU on purpose
//! open_files.rs raises the limit on open files      stop.rs   what asks a process to stop
//! listen/       accepts connections: counts, bounds and ends them
//! store/        shard map, connections, transactions, retries
//!   insert/     how a member is inserted, one policy per file
//!   count/      how members are counted, one policy per file
//! traffic/      who causes the load: requests and bytes per chat, country and app
//! push/         connected members: who listens to which chat, and how a push reaches them
//! notify/       members who are not online: queues, breakers and the client of a push gateway
//! gateway/      `hotchat push-gateway`: a process that stands for the vendors' push gateways
//! metrics/      what /metrics shows
//! ```
//!
//! A request flows `listen` → `http` (metrics → admission → route) → `store` (shard → breaker → bulkhead → pool →
//! statements).

mod auth;
mod bus;
mod cli;
mod clock;
mod config;
mod cpu;
mod deadline;
mod fan_out;
mod gateway;
mod http;
mod join_throttle;
mod listen;
mod metrics;
mod notify;
mod open_files;
mod publish;
mod push;
mod redis;
mod service;
mod stop;
mod store;
mod traffic;

pub use cli::main;
