//! Many streams over one: a microVM has a serial line where a container has a socket. The host opens streams, the guest
//! hands each to its agent as a connection. docs/microvm.md has the protocol.

mod engine;
mod frame;
mod stream;

pub use engine::Engine;
pub use frame::{LARGEST_PAYLOAD, NONCE};
