//! How the server behaves, with a switch for each thing the references leave open.

use std::time::Duration;

use jiff::SignedDuration;

use crate::front::Latency;
use crate::throttle::Throttle;
use crate::world::Verdict;

/// Order of a list that asks for none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DefaultOrder {
    /// Newest first.
    #[default]
    Descending,
    /// Oldest first.
    Ascending,
}

/// Whether a bound of a range belongs to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Bound {
    /// It does.
    #[default]
    Inclusive,
    /// It does not.
    Exclusive,
}

/// Which pages of a list that is longer than the server's maximum say `truncated`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TruncatedFlag {
    /// All of them.
    #[default]
    EveryPage,
    /// The first.
    FirstPage,
    /// The last.
    LastPage,
    /// None.
    Never,
}

/// What a server does with a parameter that it does not know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnknownParameter {
    /// 400.
    #[default]
    Refuse,
    /// Nothing.
    Ignore,
}

/// The server.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch, set by name")]
pub struct VmrayOptions {
    /// Key that is accepted.
    pub api_key: String,
    /// Version that `system_info` tells.
    pub version: (u32, u32, u32),
    /// Address of the web interface, in links.
    pub webif_base_url: String,
    /// Items per reply; more are continued.
    pub api_items_per_request: usize,
    /// Items per list; more are cut off.
    pub max_api_items: usize,
    /// Order of a list that asks for none.
    pub default_order: DefaultOrder,
    /// Whether `a~` includes `a`.
    pub lower_bound: Bound,
    /// Whether `~b` includes `b`.
    pub upper_bound: Bound,
    /// Which pages of a list that was cut off say so.
    pub truncated_flag: TruncatedFlag,
    /// What happens to unknown parameters.
    pub unknown_parameter: UnknownParameter,
    /// Whether `/iocs` without parameters shows entries that are no IOCs too.
    pub all_artifacts_by_default: bool,
    /// Whether a reply with the status `waiting` holds lists already.
    pub lists_while_waiting: bool,
    /// Whether `/iocs` tells its status; old servers do not.
    pub tells_status: bool,
    /// Endpoints below a sample that this version lacks (`mitre_attack`, `threat_indicators`, ...): 404.
    pub absent_endpoints: Vec<String>,
    /// Requests per window.
    pub throttle: Option<Throttle>,
    /// Whether a 429 carries `Retry-After`.
    pub retry_after_header: bool,
    /// How far the `Date` of answers is off; the server's clock otherwise runs with ours.
    pub date_offset: SignedDuration,
    /// Submissions allowed and used.
    pub quota: (u64, u64),
    /// How long the analysis of something submitted takes.
    pub analysis_time: Duration,
    /// Verdict of what is submitted; `None` in the outer option: drawn from its content.
    pub submit_verdict: Option<Option<Verdict>>,
    /// Whether something known is analysed again; otherwise it is refused in the way of "legacy" caching.
    pub analyses_known_again: bool,
    /// How long an answer takes.
    pub latency: Latency,
}

impl VmrayOptions {
    /// Key of the default options.
    pub const API_KEY: &str = "simulated-vmray-key";
}

impl Default for VmrayOptions {
    fn default() -> Self {
        Self {
            api_key: Self::API_KEY.to_owned(),
            version: (2026, 2, 1),
            webif_base_url: "https://vmray.test".to_owned(),
            api_items_per_request: 100,
            max_api_items: 1000,
            default_order: DefaultOrder::default(),
            lower_bound: Bound::default(),
            upper_bound: Bound::default(),
            truncated_flag: TruncatedFlag::default(),
            unknown_parameter: UnknownParameter::default(),
            all_artifacts_by_default: false,
            lists_while_waiting: false,
            tells_status: true,
            absent_endpoints: Vec::new(),
            throttle: None,
            retry_after_header: true,
            date_offset: SignedDuration::ZERO,
            quota: (10_000, 120),
            analysis_time: Duration::from_secs(120),
            submit_verdict: None,
            analyses_known_again: true,
            latency: Latency::None,
        }
    }
}
