//! How the server behaves, with a switch for each thing the references leave open.

use std::time::Duration;

use jiff::SignedDuration;

use super::fields::FieldSet;
use super::url_form::UrlForm;
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

/// What happens to something that was analysed before: the setting "Analysis Caching" of the key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AnalysisCaching {
    /// It is analysed again.
    #[default]
    Disabled,
    /// What is known answers it at once, what still runs when it ends.
    Enabled,
    /// The same, while what is known is young ([`VmrayOptions::smart_cache_age`]); VMRay's own rule is not public.
    Smart,
    /// It is refused: no jobs are created.
    Legacy,
}

impl AnalysisCaching {
    pub(super) const ALL: [Self; 4] = [Self::Disabled, Self::Enabled, Self::Smart, Self::Legacy];

    /// Returns VMRay's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Smart => "smart",
            Self::Legacy => "legacy",
        }
    }
}

/// What becomes of a container that is submitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ArchiveAction {
    /// It is a sample; its members are found by its analysis.
    #[default]
    Sample,
    /// It is a sample with an entry point; its members are none.
    CompoundSample,
    /// Each member is submitted, the container is not.
    SeparateSamples,
}

impl ArchiveAction {
    pub(super) const ALL: [Self; 3] = [Self::Sample, Self::CompoundSample, Self::SeparateSamples];

    /// Returns VMRay's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::CompoundSample => "compound_sample",
            Self::SeparateSamples => "separate_samples",
        }
    }
}

/// How a submit is refused when the quota is used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum QuotaRefusal {
    /// In `errors[]`, in the newer words; nothing is made.
    #[default]
    InErrors,
    /// In `errors[]`, in the older words; submission, sample and a reputation look-up come back all the same.
    Denied,
    /// The whole request: 400 with the newer words as `error_msg`.
    WholeRequest,
}

/// How what is submitted ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// All analyses succeed.
    #[default]
    Success,
    /// One fails.
    Warning,
    /// All fail: no verdict.
    Error,
}

/// When the submissions of children end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChildrenEnd {
    /// Not after that of their parent, whose verdict counts them in.
    #[default]
    BeforeParent,
    /// Some time after it.
    AfterParent,
}

/// How the server keeps `submission_metadata`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MetadataText {
    /// As it was sent.
    #[default]
    AsSent,
    /// Written anew, so that another spacing than the sender's comes back.
    Respaced,
}

/// The server.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch, set by name")]
pub struct VmrayOptions {
    /// Key that is accepted.
    pub api_key: String,
    /// Which fields its objects have.
    pub field_set: FieldSet,
    /// Version that `system_info` tells.
    pub version: (u32, u32, u32),
    /// Address of the web interface, in links.
    pub webif_base_url: String,
    /// Largest file that is taken; `system_info` tells it.
    pub max_upload_bytes: u64,
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
    /// Status with which searches are refused (400, 403, 404, 405); older servers have none.
    pub search_status: Option<u16>,
    /// How a URL that is submitted is kept.
    pub url_form: UrlForm,
    /// Requests per window.
    pub throttle: Option<Throttle>,
    /// Whether a 429 carries `Retry-After`.
    pub retry_after_header: bool,
    /// How far the `Date` of answers is off; the server's clock otherwise runs with ours.
    pub date_offset: SignedDuration,
    /// Submissions allowed and used.
    pub quota: (u64, u64),
    /// How a submit over the quota is refused.
    pub quota_refusal: QuotaRefusal,
    /// Whether a submission that a cached result answers costs quota.
    pub cached_costs_quota: bool,
    /// `report`, or `verdict`: reports of what is submitted are locked.
    pub quota_type: String,
    /// Where the billing information is; the path is not confirmed.
    pub billing_path: String,
    /// Time before the first job of something submitted is taken up.
    pub queue_time: Duration,
    /// How long the analysis of something submitted takes; its jobs end one after the other.
    pub analysis_time: Duration,
    /// Time between the end of the last job and that of the submission.
    pub finishing_time: Duration,
    /// Time after the end of a job until its findings are complete; until then they have the status `waiting`.
    pub settling_time: Duration,
    /// Jobs of something submitted.
    pub jobs_per_submission: u64,
    /// How it ends.
    pub submit_outcome: SubmitOutcome,
    /// Its verdict; `None` in the outer option: drawn from its content.
    pub submit_verdict: Option<Option<Verdict>>,
    /// Whether it does not end by itself.
    pub hold_submissions: bool,
    /// What happens to something known, unless the submit says it.
    pub analysis_caching: AnalysisCaching,
    /// How old a result may be for [`AnalysisCaching::Smart`].
    pub smart_cache_age: Duration,
    /// What becomes of a container, unless the submit says it.
    pub archive_action: ArchiveAction,
    /// When children end.
    pub children_end: ChildrenEnd,
    /// Relations shown with a sample; more make it `truncated`.
    pub max_relations: usize,
    /// How metadata is kept.
    pub metadata_text: MetadataText,
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
            field_set: FieldSet::default(),
            version: FieldSet::default().version(),
            webif_base_url: "https://vmray.test".to_owned(),
            max_upload_bytes: 209_715_200,
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
            search_status: None,
            url_form: UrlForm::default(),
            throttle: None,
            retry_after_header: true,
            date_offset: SignedDuration::ZERO,
            quota: (10_000, 120),
            quota_refusal: QuotaRefusal::default(),
            cached_costs_quota: true,
            quota_type: "report".to_owned(),
            billing_path: "billing_info".to_owned(),
            queue_time: Duration::ZERO,
            analysis_time: Duration::from_secs(120),
            finishing_time: Duration::ZERO,
            settling_time: Duration::ZERO,
            jobs_per_submission: 2,
            submit_outcome: SubmitOutcome::default(),
            submit_verdict: None,
            hold_submissions: false,
            analysis_caching: AnalysisCaching::default(),
            smart_cache_age: Duration::from_secs(24 * 3600),
            archive_action: ArchiveAction::default(),
            children_end: ChildrenEnd::default(),
            max_relations: 100,
            metadata_text: MetadataText::default(),
            latency: Latency::None,
        }
    }
}
