//! How we talk to any API.
//!
//! Every client of this workspace (VMRay, Entra, Sentinel, storage) sends through one [`Transport`]:
//! [`HttpTransport`] on the network, [`InProcess`] to a simulator in the same process. What surrounds a
//! call is decided here once: how long an attempt may take, whether a failure is tried again
//! ([`RetryPolicy`]), how often ([`Pacer`]) and how much at the same time ([`AdaptiveLimit`]) we may ask, what time it is ([`Clock`]) and what may be logged
//! ([`Redacted`]).
//!
//! Nothing here knows what is being said: a request is bytes, an answer is bytes.

mod adaptive_limit;
mod answer_bound;
mod call_log;
mod clock;
mod exchange;
mod http_transport;
mod in_process;
mod mutant;
mod pacer;
mod redact;
mod retry;
mod service_url;
mod transport;

pub use adaptive_limit::{AdaptiveLimit, LimitStatus, Place};
pub use answer_bound::AnswerBound;
pub use call_log::{Call, CallLog};
pub use clock::{Clock, SystemClock, TokioClock};
pub use exchange::{Exchange, Idempotency};
pub use http_transport::{HttpOptions, HttpTransport, SetupError, install_tls_provider};
pub use in_process::InProcess;
#[cfg(feature = "mutants")]
pub use mutant::Mutant;
pub use pacer::{Allowance, Pacer, Pause, Permit};
pub use redact::Redacted;
pub use retry::{Decision, Retry, RetryPolicy, retry_after};
pub use service_url::{ServiceUrl, ServiceUrlError};
pub use transport::{Request, Response, StreamedBody, StreamedRequest, Transport, TransportError};
