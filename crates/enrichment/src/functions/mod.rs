//! The nine functions of the original product, for the playbooks that call them.
//!
//! Names, parameters and bodies of successes are the original's; its mistakes are not. A parameter is read in every
//! form in which it makes sense, and refused by name where it makes none. What VMRay says passes through byte for
//! byte. `UplaodURL` sends http and https, without a user name or password, and nothing internal unless the setting of
//! the gates says so. A call asks VMRay only what it needs, nothing is kept between two calls, and a submit is sent once: where
//! VMRay may have acted on one whose answer was lost, the submission is looked for before anything else is said.

mod describe;
mod error;
mod iocs;
mod known;
mod look_up;
mod parameters;
mod shape;
mod submit;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicators::{Rules, Style};
use outbound::Clock;
use serde::Serialize;

use crate::Gates;

pub use describe::{Form, Parameter};
pub use error::{Error, LARGEST_UPLOAD};
pub use parameters::Parameters;

/// What a call may take, repeats included: callers give up after 120 s (Logic Apps).
const ANSWERS_WITHIN: Duration = Duration::from_secs(90);
/// What sending a file may take: a large one takes its time, and the front of Azure Functions ends a request at 230 s.
const SENDS_WITHIN: Duration = Duration::from_secs(200);
/// The longest pause of VMRay's that a call waits for by itself; for a longer one the caller is told.
const PATIENCE: Duration = Duration::from_secs(10);

/// One of the nine, spelled as playbooks spell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// The analyses of a sample.
    GetAnalysisBySampleID,
    /// The IOCs of a sample, and indicators made of them.
    GetVMRayIOCs,
    /// A sample.
    GetVMRaySample,
    /// The samples with a hash.
    GetVMRaySampleByHash,
    /// A submission.
    GetVMRaySubmission,
    /// The VTIs of a sample by their older name.
    GetVMRayThreatIndicator,
    /// The VTIs of a sample.
    GetVMRayVTIs,
    /// Submits a URL.
    UplaodURL,
    /// Submits a file.
    VMRayUploadSample,
}

impl Function {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::GetAnalysisBySampleID,
        Self::GetVMRayIOCs,
        Self::GetVMRaySample,
        Self::GetVMRaySampleByHash,
        Self::GetVMRaySubmission,
        Self::GetVMRayThreatIndicator,
        Self::GetVMRayVTIs,
        Self::UplaodURL,
        Self::VMRayUploadSample,
    ];

    /// Returns the name in paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::GetAnalysisBySampleID => "GetAnalysisBySampleID",
            Self::GetVMRayIOCs => "GetVMRayIOCs",
            Self::GetVMRaySample => "GetVMRaySample",
            Self::GetVMRaySampleByHash => "GetVMRaySampleByHash",
            Self::GetVMRaySubmission => "GetVMRaySubmission",
            Self::GetVMRayThreatIndicator => "GetVMRayThreatIndicator",
            Self::GetVMRayVTIs => "GetVMRayVTIs",
            Self::UplaodURL => "UplaodURL",
            Self::VMRayUploadSample => "VMRayUploadSample",
        }
    }

    /// Finds a function by its name, without regard to case as the Functions host does.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name().eq_ignore_ascii_case(name))
    }

    /// Says whether it submits something to VMRay.
    pub fn submits(self) -> bool {
        matches!(self, Self::UplaodURL | Self::VMRayUploadSample)
    }
}

/// Whether something is analysed again although VMRay knows its verdict: the setting `Resubmit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resubmit {
    /// What is known is answered from VMRay's store.
    Never,
    /// A known verdict is not enough. An analysis that is still running is.
    Always,
}

/// The functions on one VMRay account.
#[derive(Debug, Clone)]
pub struct Functions {
    /// VMRay.
    pub vmray: vmray::Client,
    /// What becomes an indicator; the verdicts are the caller's.
    pub rules: Arc<Rules>,
    /// How indicators are written.
    pub style: Arc<Style>,
    /// What becomes of a known verdict.
    pub resubmit: Resubmit,
    /// What is internal and not sent.
    pub gates: Arc<Gates>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Functions {
    /// Calls a function and returns the JSON of its answer.
    ///
    /// Dropping the future leaves open whether VMRay took what is being submitted.
    pub async fn call(&self, function: Function, parameters: &Parameters) -> Result<String, Error> {
        let pause = self.vmray.paused_for();
        if pause > PATIENCE {
            return Err(Error::Throttled { retry_after: pause });
        }
        let within = if function == Function::VMRayUploadSample { SENDS_WITHIN } else { ANSWERS_WITHIN };
        // A submit whose time is over may have arrived; a look-up before it has cost nothing.
        let sent = AtomicBool::new(false);
        tokio::time::timeout(within, self.answer(function, parameters, &sent)).await.map_err(|_| {
            if sent.load(Ordering::Relaxed) {
                Error::AnswerLost { reason: format!("none came within {} s", within.as_secs()) }
            } else {
                Error::Deadline { after: within }
            }
        })?
    }

    async fn answer(&self, function: Function, parameters: &Parameters, sent: &AtomicBool) -> Result<String, Error> {
        match function {
            Function::GetVMRayIOCs => self.iocs(parameters).await,
            Function::UplaodURL => self.submit_url(parameters, sent).await,
            Function::VMRayUploadSample => self.submit_file(parameters, sent).await,
            look_up => self.look_up(look_up, parameters).await,
        }
    }
}

fn json(answer: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(answer)
        .map_err(|error| Error::Vmray(vmray::Error::Unreadable { what: "the answer", reason: error.to_string() }))
}
