//! The simulators from outside: each rule of the references, each switch, both ways of calling them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that cannot go on shall stop"
)]

mod bench;
mod clients;
mod entra;
mod faults;
mod logs;
mod reports;
mod sockets;
mod upload;
mod vmray_caching;
mod vmray_children;
mod vmray_fields;
mod vmray_findings;
mod vmray_life;
mod vmray_lists;
mod vmray_submit;
mod world;
