//! Numbers that VMRay gives to its things. They start at 1, so 0 stands for an id that was not readable.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// A sample: one file or URL, however often it was submitted.
    SampleId
}
id! {
    /// A submission: one request to analyse a sample.
    SubmissionId
}
id! {
    /// An analysis: one run of one analyzer.
    AnalysisId
}
id! {
    /// A job: an analysis that has not ended.
    JobId
}
