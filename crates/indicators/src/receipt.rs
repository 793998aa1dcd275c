//! Receipts: what was not sent, and why.

use std::fmt;

use serde::{Deserialize, Serialize};
use stix::{Kind, ValueError};

use crate::address::AddressClass;
use crate::excerpt::excerpt;

/// Characters of a value or reason that are kept: enough to recognise it by.
const RECEIPT_CHARS: usize = 512;

/// Proof that a value was seen and not sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Receipt {
    /// Kind of the value.
    pub kind: Kind,
    /// The value as VMRay gave it, cut to 512 characters; of an unreadable entry, its JSON.
    pub value: String,
    /// Why it was not sent.
    pub reason: ReceiptReason,
    /// Sample in which it was seen.
    pub sample_id: u64,
}

impl Receipt {
    /// Writes a receipt.
    pub fn new(kind: Kind, value: &str, reason: ReceiptReason, sample_id: u64) -> Self {
        Self { kind, value: excerpt(value, RECEIPT_CHARS), reason, sample_id }
    }
}

/// Why a value was not sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum ReceiptReason {
    /// VMRay has no verdict on it.
    NullVerdict,
    /// VMRay could not form a verdict.
    VerdictNotAvailable,
    /// A verdict that this version does not know.
    UnknownVerdict {
        /// The verdict.
        verdict: String,
    },
    /// An entry without a value, or with a placeholder for one.
    NullValue,
    /// Not a value of its kind.
    Unparsable {
        /// What is wrong with it.
        why: String,
    },
    /// Longer than a value may be.
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// VMRay says that it is an artifact, not an IOC.
    NotAnIoc,
    /// The image of a process, whose hash is another on the next machine.
    MemoryDump,
    /// The hash of nothing.
    EmptyFile,
    /// An address that is not on the Internet, or a URL there.
    PrivateAddress {
        /// Which kind of address.
        class: AddressClass,
    },
    /// A name that is not on the Internet, or a URL or mailbox there.
    ReservedName,
    /// A name under which anybody may have a name: everybody there would be hit.
    PublicSuffix,
    /// On the allow-list.
    AllowListed {
        /// The entry that matched.
        rule: String,
    },
    /// The pattern did not come back as it went in.
    PatternMismatch,
    /// An entry of a form that is not understood.
    Unreadable {
        /// What is wrong with it.
        why: String,
    },
    /// Its time was over when it arrived.
    Expired,
}

impl ReceiptReason {
    /// Returns the word that stands in JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NullVerdict => "null_verdict",
            Self::VerdictNotAvailable => "verdict_not_available",
            Self::UnknownVerdict { .. } => "unknown_verdict",
            Self::NullValue => "null_value",
            Self::Unparsable { .. } => "unparsable",
            Self::TooLong { .. } => "too_long",
            Self::NotAnIoc => "not_an_ioc",
            Self::MemoryDump => "memory_dump",
            Self::EmptyFile => "empty_file",
            Self::PrivateAddress { .. } => "private_address",
            Self::ReservedName => "reserved_name",
            Self::PublicSuffix => "public_suffix",
            Self::AllowListed { .. } => "allow_listed",
            Self::PatternMismatch => "pattern_mismatch",
            Self::Unreadable { .. } => "unreadable",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for ReceiptReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NullVerdict => f.write_str("VMRay has given no verdict on it"),
            Self::VerdictNotAvailable => f.write_str("VMRay could not form a verdict on it"),
            Self::UnknownVerdict { verdict } => write!(f, "VMRay's verdict {verdict:?} is not known to this version"),
            Self::NullValue => f.write_str("VMRay's entry has no value"),
            Self::Unparsable { why } => write!(f, "the value {why}"),
            Self::TooLong { bytes } => {
                write!(f, "the value is {bytes} bytes long, the limit is {}", stix::MAX_VALUE_BYTES)
            }
            Self::NotAnIoc => f.write_str("VMRay lists it as an artifact, not as an IOC"),
            Self::MemoryDump => f.write_str("it is a memory dump, which differs on every machine"),
            Self::EmptyFile => f.write_str("it is the hash of an empty file"),
            Self::PrivateAddress { class } => write!(f, "its address is {class}, not a public one"),
            Self::ReservedName => f.write_str("its name has a meaning only inside networks"),
            Self::PublicSuffix => f.write_str("it is a public suffix, under which anybody may register a name"),
            Self::AllowListed { rule } => write!(f, "it is on the allow-list: {rule}"),
            Self::PatternMismatch => f.write_str("its pattern could not be read back"),
            Self::Unreadable { why } => write!(f, "VMRay's entry could not be read: {why}"),
            Self::Expired => f.write_str("it had expired before it was sent"),
        }
    }
}

impl From<ValueError> for ReceiptReason {
    fn from(error: ValueError) -> Self {
        match error {
            ValueError::TooLong { bytes } => Self::TooLong { bytes },
            ValueError::Empty => Self::NullValue,
            error => Self::Unparsable { why: error.to_string() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> [ReceiptReason; 16] {
        let text = || "text".to_owned();
        [
            ReceiptReason::NullVerdict,
            ReceiptReason::VerdictNotAvailable,
            ReceiptReason::UnknownVerdict { verdict: text() },
            ReceiptReason::NullValue,
            ReceiptReason::Unparsable { why: text() },
            ReceiptReason::TooLong { bytes: 100_000 },
            ReceiptReason::NotAnIoc,
            ReceiptReason::MemoryDump,
            ReceiptReason::EmptyFile,
            ReceiptReason::PrivateAddress { class: AddressClass::CarrierGrade },
            ReceiptReason::ReservedName,
            ReceiptReason::PublicSuffix,
            ReceiptReason::AllowListed { rule: text() },
            ReceiptReason::PatternMismatch,
            ReceiptReason::Unreadable { why: text() },
            ReceiptReason::Expired,
        ]
    }

    #[test]
    fn every_reason_is_stored_under_its_code() {
        for reason in all() {
            let json = serde_json::to_value(&reason).unwrap();
            assert_eq!(json["code"], reason.code());
            assert_eq!(serde_json::from_value::<ReceiptReason>(json).unwrap(), reason);
        }
    }

    #[test]
    fn every_reason_is_a_sentence() {
        let sentences: Vec<String> = all().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(sentences.join("\n"));
    }

    #[test]
    fn long_values_are_cut() {
        let receipt = Receipt::new(Kind::Url, &"ü".repeat(10_000), ReceiptReason::NullVerdict, 1);
        assert_eq!(receipt.value.chars().count(), 512);
    }
}
