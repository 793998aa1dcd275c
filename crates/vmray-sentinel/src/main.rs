//! VMRay for Microsoft Sentinel: the verdicts of VMRay as threat intelligence.
//!
//! This is the binary: command line ([`cli`]), configuration ([`config`]), logs ([`telemetry`]), one module a
//! command ([`commands`]; Azure Functions in [`hosting`]). What it does is in the crates it calls. Results go to
//! stdout, everything else to stderr; a failure is printed once, with its causes and what to do, and decides the exit
//! code ([`exit`]).

mod api;
mod app;
mod calls;
mod cli;
mod commands;
mod connect;
mod daemon;
mod engine;
mod exit;
mod failure;
mod health;
mod hosting;
mod http;
mod invocation;
mod live;
mod output;
mod paint;
mod progress;
mod set_flag;
mod signals;
mod state;
#[cfg(test)]
#[path = "../../ledger/tests/suite/mod.rs"]
mod suite;
mod summary;
mod telemetry;
mod view;
mod visible;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    let environment = config::Environment::of_process();
    let cli = cli::Cli::of_process(&environment);
    invocation::note(cli::program().as_deref(), &cli.global, &environment);
    commands::start(cli, &environment).into()
}
