//! What may be logged of a URL.

use std::fmt;

use url::Url;

/// Shows a URL without user info and without the values of its query.
#[derive(Clone, Copy)]
pub struct Redacted<'a>(pub &'a Url);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.0;
        write!(f, "{}://", url.scheme())?;
        if !url.username().is_empty() || url.password().is_some() {
            f.write_str("***@")?;
        }
        f.write_str(url.host_str().unwrap_or_default())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(url.path())?;
        for (n, (name, _)) in url.query_pairs().enumerate() {
            write!(f, "{}{name}=***", if n == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_user_info_and_query_values() {
        let url = Url::parse("https://me:hunter2@h.example:8443/p?sig=s3cret&sv=1#frag").unwrap();
        assert_eq!(Redacted(&url).to_string(), "https://***@h.example:8443/p?sig=***&sv=***");
    }
}
