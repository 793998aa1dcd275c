//! A federated token from a file.

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use sentinel::{Identity, TokenError, Tokens};

use crate::fake::*;

const SCOPE: &str = "https://management.azure.com/.default";

fn workload(fake: &std::sync::Arc<Fake>, file: &Path) -> Tokens {
    let identity = Identity::Workload {
        tenant: "contoso.onmicrosoft.com".parse().unwrap(),
        client_id: CLIENT.parse().unwrap(),
        token_file: file.to_owned(),
    };
    Tokens::new(fake.clone(), clock(), &cloud(), identity)
}

#[tokio::test(start_paused = true)]
async fn the_file_is_read_for_every_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let fake = Fake::new();
    let tokens = workload(&fake, &file);
    for (content, sent) in [("first\n", "first"), ("second", "second")] {
        std::fs::write(&file, content).unwrap();
        tokens.token(SCOPE).await.unwrap();
        tokio::time::advance(Duration::from_secs(3600)).await;
        let form = fake.token_requests().last().unwrap().form();
        assert_eq!(form["client_assertion"], sent);
        assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        assert_eq!(form["client_id"], CLIENT);
        assert_eq!(form["scope"], SCOPE);
        assert!(!form.contains_key("client_secret"));
    }
    assert_eq!(fake.token_requests().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_there_or_empty_is_named_and_nothing_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let fake = Fake::new();
    let tokens = workload(&fake, &file);
    for empty in [false, true] {
        if empty {
            std::fs::write(&file, "\n").unwrap();
        }
        let error = tokens.token(SCOPE).await.unwrap_err();
        assert!(matches!(&error, TokenError::TokenFile { path, .. } if *path == file), "{error:?}");
        assert!(error.hint().contains("AZURE_FEDERATED_TOKEN_FILE"));
    }
    assert!(fake.token_requests().is_empty());
    std::fs::write(&file, "fresh").unwrap();
    assert_eq!(tokens.token(SCOPE).await.unwrap().expose_secret(), "token-1");
}
