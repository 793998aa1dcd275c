//! The token of one call: put into its header, kept out of its words, renewed once when it is refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use outbound::{Response, Retry};
use secrecy::{ExposeSecret as _, SecretString};
use tracing::warn;

use crate::Tokens;
use crate::excerpt::without;

/// Returns the `Authorization` of a token, or why there is none. The cause is not repeated: it would quote the token.
pub(crate) fn bearer(token: &SecretString) -> Result<HeaderValue, &'static str> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
        .map_err(|_| "the token has characters that no header can carry")?;
    bearer.set_sensitive(true);
    Ok(bearer)
}

/// One call renews its token at most once: a second refusal is about us, not about the token.
#[derive(Default)]
pub(crate) struct Renewal {
    token: Mutex<Option<SecretString>>,
    done: AtomicBool,
}

impl Renewal {
    /// Notes the token that the call is made with.
    pub(crate) fn uses(&self, token: SecretString) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    /// Hides the token in an answer: its words end in logs.
    pub(crate) fn hidden_in(&self, answer: Response) -> Response {
        let token = self.token.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match token {
            Some(token) => answer.map(|body| without(&body, token.expose_secret())),
            None => answer,
        }
    }

    /// Gives a refused token back; the call is tried again at once with a new one, the first time.
    pub(crate) fn refused(&self, tokens: &Tokens, scope: &str) -> Retry {
        if self.done.swap(true, Ordering::Relaxed) {
            return Retry::Never;
        }
        if let Some(token) = self.token.lock().unwrap_or_else(PoisonError::into_inner).take() {
            tokens.invalidate(scope, &token);
        }
        warn!("the service refuses the token, asking for a new one");
        Retry::After(Duration::ZERO)
    }
}
