//! What Azure Monitor says of the health tables, where they are configured.

use config::{HealthConfig, SentinelConfig};
use outbound::RetryPolicy;
use sentinel::{LogsError, RuleId};

use super::remote::PATIENCE;
use super::report::Check;
use crate::connect::Clients;
use crate::health;

/// Name of the check.
const NAME: &str = "health rows";

/// Endpoint, rule and role; nothing where no rows are wanted.
pub(super) async fn tables(
    config: Option<&HealthConfig>,
    sentinel: Option<&SentinelConfig>,
    clients: Option<&Clients>,
) -> Option<Check> {
    let config = config?;
    let (Some(sentinel), Some(clients)) = (sentinel, clients) else {
        return Some(Check::skipped(NAME, "the settings"));
    };
    let client = clients.logs(config, sentinel, RetryPolicy::once(PATIENCE));
    Some(match tokio::time::timeout(PATIENCE, client.probe(health::RUNS)).await {
        Ok(answer) => read(&config.rule, answer),
        Err(_) => Check::warning(NAME, format!("{} gave no answer within {} s", config.endpoint, PATIENCE.as_secs()))
            .step("check that this machine reaches it: firewall, name resolution, HttpsProxy, CaFile"),
    })
}

/// Reads the answer to a call without rows. What is wrong is a warning: the feed goes on without rows.
fn read(rule: &RuleId, answer: Result<(), LogsError>) -> Check {
    match answer {
        Ok(()) => Check::good(NAME, format!("{rule} took a call without rows: endpoint, rule and role are right")),
        Err(LogsError::BadRequest { message }) => Check::warning(
            NAME,
            format!(
                "not proven: {rule} refuses a call without rows, which is allowed and says nothing against the rule or the role \
                 ({message}); the first run proves both"
            ),
        ),
        Err(error) => {
            Check::warning(NAME, format!("the feed runs, and no rows are written: {error}")).step(error.hint())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Outcome;
    use super::*;

    #[test]
    fn what_is_wrong_with_the_rows_fails_nothing_and_says_what_to_do() {
        let rule: RuleId = "dcr-0123456789abcdef0123456789abcdef".parse().unwrap();
        assert_eq!(read(&rule, Ok(())).outcome, Outcome::Good);
        assert_eq!(read(&rule, Err(LogsError::BadRequest { message: "empty".to_owned() })).outcome, Outcome::Warning);
        let forbidden = LogsError::Forbidden { message: "no".to_owned(), rule: rule.clone(), client_id: None };
        let check = read(&rule, Err(forbidden));
        assert_eq!(check.outcome, Outcome::Warning);
        assert!(check.next_steps[0].contains("Monitoring Metrics Publisher"), "{:?}", check.next_steps);
    }
}
