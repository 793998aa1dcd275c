#![doc = include_str!("../README.md")]

mod batch;
mod checked_store;
mod checksums;
mod clock;
mod command;
mod counts;
mod error;
mod export;
mod inbox;
mod integrity;
mod key;
mod objects;
mod overlay;
mod private;
mod reader;
mod record;
mod records;
mod remote;
mod request;
mod state_url;
mod storage;
mod upkeep;
mod writer;

pub use batch::Batch;
pub use command::{Command, Commands, PendingCommand};
pub use counts::{counts_in_order, serialize_counts};
pub use error::Error;
pub use export::{Export, Exported};
pub use inbox::{Inbox, InboxLetter};
pub use objects::{Created, Entry, Object, Objects};
pub use reader::Reader;
pub use record::{
    Binding, Cursor, IndicatorRecord, IndicatorState, OpenSample, OutboxRecord, QuarantineRecord, ReceiptRecord,
    RunRecord, SampleRecord, SubmissionRecord,
};
pub use records::Records;
pub use remote::{RemoteTrouble, Repeat};
pub use state_url::{BlobPlace, StateUrl, StateUrlError};
pub use storage::Storage;
pub use upkeep::Upkeep;
pub use writer::Ledger;
