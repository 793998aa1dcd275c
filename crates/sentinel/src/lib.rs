//! What Microsoft accepts: tokens, clouds, threat-intelligence upload, logs ingestion.
//!
//! [`Tokens`] proves who we are to Entra through the official `azure_identity`, on our transport and our clock.
//! [`UploadClient`] sends STIX objects to one workspace and says of every object whether it was taken. [`LogsClient`]
//! writes rows to tables of Log Analytics. [`Cloud`] knows the addresses and scopes of the public, US Government and
//! China clouds.
//!
//! Failures are [`TokenError`], [`UploadError`] and [`LogsError`]. All answer two questions: `retry()` for the program, and
//! `hint()` for the operator (which setting, which role, which command).

mod adapter;
mod cloud;
mod credential;
mod excerpt;
mod grant;
mod identity;
mod logs;
mod logs_body;
mod logs_error;
mod renewal;
mod rule;
mod server_time;
mod token_error;
mod tokens;
mod upload;
mod upload_answer;
mod upload_error;
mod workspace;

pub use cloud::{Cloud, CloudName, UnknownCloud};
pub use identity::{ClientId, Identity, IdentityError, TenantId};
pub use logs::{LogRow, LogsClient};
pub use logs_error::LogsError;
pub use rule::{RuleId, RuleIdError};
pub use token_error::{EntraProblem, TokenError};
pub use tokens::Tokens;
pub use upload::{MAX_OBJECTS, UploadClient};
pub use upload_answer::{Refusal, Uploaded};
pub use upload_error::UploadError;
pub use workspace::{WorkspaceId, WorkspaceIdError};
