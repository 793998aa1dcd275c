//! What goes wrong, as data: rules with a service, a request they match, an occasion and a fault.
//!
//! The seed makes a plan repeatable: the same requests in the same order meet the same faults.

use std::sync::Mutex;
use std::time::Duration;

use http::Method;
use outbound::Request;

use crate::lock::lock;

/// One of the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceName {
    /// VMRay.
    Vmray,
    /// Entra, and the managed-identity endpoints.
    Entra,
    /// The threat-intelligence upload.
    Upload,
    /// The Logs Ingestion API.
    Logs,
}

/// What happens instead of, before or after an ordinary answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An error with a body that is no JSON; the service did not act.
    Status(u16),
    /// The same after the service has acted.
    StatusAfter(u16),
    /// The connection ends before the service acts.
    ResetBefore,
    /// The connection ends after the service has acted, before the answer.
    ResetAfter,
    /// The answer breaks off in its middle; the service has acted.
    CutBody,
    /// A proxy's page with status 200; the service did not act.
    HtmlPage,
    /// No answer ever; the service did not act.
    Hang,
    /// The service acts and answers JSON of a shape nobody expects.
    WrongJson,
    /// VMRay forgets the continuation that its answer promises.
    DropContinuation,
    /// The answer takes this long; further rules still apply.
    Delay(Duration),
    /// The service's own word for a passing trouble: 503, of Entra with `temporarily_unavailable`. It did not act.
    Unavailable,
    /// The service's own 429.
    Throttled {
        /// Seconds to announce.
        retry_after: Duration,
    },
}

/// On which of the matching requests a rule applies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// On each.
    Always,
    /// On one, counted from 1.
    Nth(u64),
    /// On the first so many.
    First(u64),
    /// On each so-manieth.
    Every(u64),
    /// On each with this probability, drawn from the plan's seed.
    Probability(f64),
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    /// Whose requests.
    pub service: ServiceName,
    /// Only this method.
    pub method: Option<Method>,
    /// Only paths (with query) that contain this.
    pub path_contains: Option<String>,
    /// On which of them.
    pub when: When,
    /// What happens.
    pub fault: Fault,
}

impl FaultRule {
    /// Returns a rule for all requests of a service.
    pub fn new(service: ServiceName, when: When, fault: Fault) -> Self {
        Self { service, method: None, path_contains: None, when, fault }
    }

    /// Restricts the rule to paths (with query) that contain `part`.
    #[must_use]
    pub fn on_path(mut self, part: &str) -> Self {
        self.path_contains = Some(part.to_owned());
        self
    }

    /// Restricts the rule to a method.
    #[must_use]
    pub fn on_method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    fn matches(&self, service: ServiceName, request: &Request) -> bool {
        let path = request.uri().path_and_query().map_or("/", |both| both.as_str());
        self.service == service
            && self.method.as_ref().is_none_or(|method| method == request.method())
            && self.path_contains.as_ref().is_none_or(|part| path.contains(part.as_str()))
    }
}

/// The plan of a stack. It can be changed while the stack runs.
#[derive(Debug)]
pub struct Faults {
    plan: Mutex<Plan>,
}

#[derive(Debug)]
struct Plan {
    rules: Vec<(FaultRule, u64)>,
    draw: fastrand::Rng,
}

impl Faults {
    /// Returns a plan.
    pub fn new(seed: u64, rules: impl IntoIterator<Item = FaultRule>) -> Self {
        let rules = rules.into_iter().map(|rule| (rule, 0)).collect();
        Self { plan: Mutex::new(Plan { rules, draw: fastrand::Rng::with_seed(seed) }) }
    }

    /// Adds a rule; it counts requests from now on.
    pub fn add(&self, rule: FaultRule) {
        lock(&self.plan).rules.push((rule, 0));
    }

    /// Removes all rules.
    pub fn clear(&self) {
        lock(&self.plan).rules.clear();
    }

    /// Returns what happens to this request: delays, then at most one other fault (the first rule that applies).
    pub(crate) fn draw(&self, service: ServiceName, request: &Request) -> (Duration, Option<Fault>) {
        let mut plan = lock(&self.plan);
        let Plan { rules, draw } = &mut *plan;
        let (mut delay, mut chosen) = (Duration::ZERO, None);
        for (rule, seen) in rules.iter_mut().filter(|(rule, _)| rule.matches(service, request)) {
            *seen += 1;
            let applies = match rule.when {
                When::Always => true,
                When::Nth(n) => *seen == n,
                When::First(n) => *seen <= n,
                When::Every(n) => n > 0 && seen.is_multiple_of(n),
                When::Probability(p) => draw.f64() < p,
            };
            match rule.fault {
                _ if !applies => {}
                Fault::Delay(wait) => delay += wait,
                fault => chosen = chosen.or(Some(fault)),
            }
        }
        (delay, chosen)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn get(path: &str) -> Request {
        http::Request::get(path).body(Bytes::new()).unwrap()
    }

    #[test]
    fn a_rule_counts_only_what_it_matches() {
        let rule = FaultRule::new(ServiceName::Vmray, When::Nth(2), Fault::Status(500)).on_path("/iocs");
        let faults = Faults::new(1, [rule]);
        let hit = |service, path| faults.draw(service, &get(path)).1.is_some();
        assert!(!hit(ServiceName::Vmray, "/rest/sample/1/iocs"));
        assert!(!hit(ServiceName::Vmray, "/rest/sample/1"));
        assert!(!hit(ServiceName::Upload, "/rest/sample/1/iocs"));
        assert!(hit(ServiceName::Vmray, "/rest/sample/2/iocs"));
        assert!(!hit(ServiceName::Vmray, "/rest/sample/3/iocs"));
    }

    #[test]
    fn the_same_seed_meets_the_same_faults() {
        let run = |seed| {
            let rule = FaultRule::new(ServiceName::Entra, When::Probability(0.3), Fault::Hang);
            let faults = Faults::new(seed, [rule]);
            (0..100).map(|_| faults.draw(ServiceName::Entra, &get("/t")).1.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(run(5), run(5));
        assert_ne!(run(5), run(6));
    }

    #[test]
    fn delays_add_up_and_leave_room_for_another_fault() {
        let delay = FaultRule::new(ServiceName::Entra, When::Always, Fault::Delay(Duration::from_secs(2)));
        let faults = Faults::new(
            1,
            [delay.clone(), delay, FaultRule::new(ServiceName::Entra, When::Every(2), Fault::ResetAfter)],
        );
        assert_eq!(faults.draw(ServiceName::Entra, &get("/t")), (Duration::from_secs(4), None));
        assert_eq!(faults.draw(ServiceName::Entra, &get("/t")), (Duration::from_secs(4), Some(Fault::ResetAfter)));
    }
}
