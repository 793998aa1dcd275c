//! Configuration: flags over environment over file over default, read into types, all problems at once.
//!
//! The way of a value: [`Environment`] and `file` hold text, [`Settings`] merges it and remembers where it
//! comes from, [`Reader`] parses it into the structs of [`parts`]. What is wrong is collected in [`Problems`] and
//! reported whole; nothing is started with a setting that could not be read. No other module reads the
//! environment or a configuration file.

mod allow_list;
mod api_keys;
mod connection_string;
pub(crate) mod duration;
mod enrich;
mod environment;
mod file;
mod health;
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

pub(crate) use api_keys::{ApiKeys, Scope, make as make_api_key};
pub(crate) use connection_string::StorageKey;
pub(crate) use enrich::EnrichConfig;
pub(crate) use environment::Environment;
pub(crate) use health::HealthConfig;
pub(crate) use logs::{LogConfig, LogFormat};
pub(crate) use manual::manual_page;
pub(crate) use parts::{
    API, IndicatorConfig, SentinelConfig, VmrayConfig, api_keys, feed_is_configured, initial_fetch, public_url,
    schedule, transport,
};
pub(crate) use problem::Problems;
pub(crate) use reader::Reader;
pub(crate) use schedule::Schedule;
pub(crate) use settings::may_be_repeated;
pub(crate) use show::{Shown, effective, names, reference, schema};
pub(crate) use source::Settings;
pub(crate) use state::{BlobConfig, BlobCredential, ROUTE, StateConfig};
