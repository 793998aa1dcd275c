//! Configuration: flags over environment over file over default, read into types, all problems at once.
//!
//! The way of a value: [`Environment`] and `file` hold text, [`Settings`] merges it and remembers where it
//! comes from, [`Reader`] parses it into the structs of `parts`. What is wrong is collected in [`Problems`] and
//! reported whole; nothing is started with a setting that could not be read. No other module reads the
//! environment or a configuration file.

mod allow_list;
mod api_keys;
pub mod duration;
mod enrich;
mod environment;
mod file;
mod health;
mod likeness;
mod logs;
mod manual;
mod misspelt;
mod parts;
mod problem;
mod reader;
mod schedule;
mod setting;
mod settings;
mod show;
mod source;
mod state;

pub use api_keys::{ApiKeys, Scope, make as make_api_key};
pub use enrich::EnrichConfig;
pub use environment::Environment;
pub use health::HealthConfig;
pub use logs::{LogConfig, LogFormat};
pub use manual::manual_page;
pub use parts::{
    API, IndicatorConfig, SentinelConfig, VmrayConfig, api_keys, feed_is_configured, initial_fetch, public_url,
    schedule, transport,
};
pub use problem::Problems;
pub use reader::Reader;
pub use schedule::Schedule;
pub use settings::may_be_repeated;
pub use show::{Shown, effective, names, reference, schema};
pub use source::Settings;
pub use state::{ROUTE, StateConfig};
