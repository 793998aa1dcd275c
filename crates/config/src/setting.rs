//! What there is to say about a setting. The settings themselves are the rows of [`super::settings`].

/// One setting.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name in the environment and in the configuration file.
    pub name: &'static str,
    /// Other environment names that count when the name itself is not set.
    pub aliases: &'static [&'static str],
    /// Where it stands in the reference.
    pub group: Group,
    /// What a value looks like.
    pub form: Form,
    /// The value when nobody sets it.
    pub default: Fallback,
    /// A value that works.
    pub example: &'static str,
    /// What it does, in sentences.
    pub doc: &'static str,
    /// Where an operator finds the value; empty when it is a choice.
    pub obtain: &'static str,
}

/// The parts of the reference page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Vmray,
    Sentinel,
    Indicators,
    Feed,
    Health,
    Enrichment,
    Api,
    State,
    Network,
    Logs,
}

/// What a value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Secret,
    /// A URL that may carry a password.
    SecretUrl,
    Url,
    Integer {
        min: u64,
        max: u64,
    },
    /// A whole number of days, or a duration.
    Days,
    /// Days, or days by type.
    DaysByType,
    Cron,
    /// One of these, without regard to case.
    Choice(&'static [&'static str]),
    /// Several values, separated by commas.
    List,
    Path,
}

/// The value when nobody sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// There is none, and it is needed to reach VMRay or Sentinel.
    Required,
    /// There is none, and none is needed.
    Absent,
    /// This text, read like any other.
    Text(&'static str),
    /// Worked out at run time, as described.
    Computed(&'static str),
}

impl Group {
    pub const ALL: [Self; 10] = [
        Self::Vmray,
        Self::Sentinel,
        Self::Indicators,
        Self::Feed,
        Self::Health,
        Self::Enrichment,
        Self::Api,
        Self::State,
        Self::Network,
        Self::Logs,
    ];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Vmray => "VMRay",
            Self::Sentinel => "Microsoft Sentinel",
            Self::Indicators => "Indicators",
            Self::Feed => "The feed",
            Self::Health => "Health tables",
            Self::Enrichment => "Enrichment",
            Self::Api => "The API",
            Self::State => "State",
            Self::Network => "Network",
            Self::Logs => "Logs",
        }
    }
}

impl Form {
    /// Says whether a value must not be shown.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::Secret)
    }
}

/// A row with the common parts filled in.
pub(crate) const fn setting(
    name: &'static str,
    group: Group,
    form: Form,
    default: Fallback,
    example: &'static str,
) -> Setting {
    Setting { name, aliases: &[], group, form, default, example, doc: "", obtain: "" }
}
