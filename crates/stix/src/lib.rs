//! STIX 2.1 objects, ids, and patterns that are built, escaped and parsed back.
//!
//! Pure: no input or output, no clock. Values are parsed into types that cannot hold a wrong one
//! ([`Observable`] and its parts), so an [`Indicator`] always carries a pattern that Sentinel can read.
//!
//! What a value looks like decides its id, and the id is how an indicator is found again for ever. So the
//! text stays as it was given; only scheme, host and hex digits are put in lower case and IP addresses are
//! printed as RFC 5952 says. The rule of each kind stands at its type.

mod attack_pattern;
mod bundle;
mod domain;
mod email;
mod file_hash;
mod grammar;
mod host_artifact;
mod id;
mod identity;
mod indicator;
mod ip;
mod observable;
mod pattern;
mod reference;
mod relationship;
mod time;
mod tlp;
mod url_text;
mod value;
mod vocabulary;

pub use attack_pattern::AttackPattern;
pub use bundle::{Bundle, Object};
pub use domain::DomainName;
pub use email::EmailAddress;
pub use file_hash::FileHash;
pub use host_artifact::{CommandLine, Mutex, RegistryKey};
pub use id::{IdError, ObjectType, StixId};
pub use identity::Identity;
pub use indicator::Indicator;
pub use observable::{Kind, Observable, UnknownKind};
pub use pattern::{Pattern, PatternError, Property};
pub use reference::{ExternalReference, KillChainPhase};
pub use relationship::Relationship;
pub use tlp::{Tlp, UnknownTlp};
pub use url_text::UrlText;
pub use value::{MAX_VALUE_BYTES, ValueError};
pub use vocabulary::{Confidence, IdentityClass, IndicatorType, NotAConfidence, PatternType, SpecVersion};
