//! Links that work once, or act for whoever they were sent to.
//!
//! Nothing but the text is known, and phishing dresses up as just such links. So a word alone holds a link back only
//! where it says so plainly (unsubscribe, password reset, magic link); weaker words (confirm, invite, login) do only
//! beside something that looks like a token.

/// Words that are enough.
const PLAIN: [&str; 14] = [
    "unsubscribe",
    "unsub",
    "optout",
    "listunsubscribe",
    "abmelden",
    "abbestellen",
    "passwordreset",
    "resetpassword",
    "passwortzuruecksetzen",
    "forgotpassword",
    "magiclink",
    "onetimelogin",
    "onetimesecret",
    "resettoken",
];

/// Words that are enough beside a token.
const WITH_TOKEN: [&str; 22] = [
    "reset",
    "recover",
    "recovery",
    "magic",
    "otp",
    "onetime",
    "confirm",
    "confirmation",
    "verify",
    "verification",
    "activate",
    "activation",
    "invite",
    "invitation",
    "login",
    "signin",
    "auth",
    "sso",
    "token",
    "accept",
    "approve",
    "share",
];

/// Characters from which a text of mixed letters and digits is taken for a token.
const TOKEN_CHARS: usize = 20;

/// Returns the word for which a URL is taken for a one-time link.
pub(crate) fn one_time_word(url: &str) -> Option<&'static str> {
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let at = behind_scheme.find(['/', '?', '#'])?;
    let behind_host = behind_scheme.get(at..)?.to_ascii_lowercase();
    let parts: Vec<&str> = behind_host.split(['/', '?', '&', '=', '#', ';']).filter(|part| !part.is_empty()).collect();
    // `reset-password`, `reset_password` and `resetpassword` are one word.
    let joined: Vec<String> =
        parts.iter().map(|part| part.chars().filter(char::is_ascii_alphanumeric).collect()).collect();
    let begins = |word: &str| joined.iter().any(|part| part == word || (word.len() > 8 && part.starts_with(word)));
    if let Some(word) = PLAIN.into_iter().find(|word| begins(word)) {
        return Some(word);
    }
    let has_token = parts.iter().any(|part| is_token(part));
    let words: Vec<&str> = behind_host.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    WITH_TOKEN.into_iter().find(|word| has_token && words.contains(word))
}

fn is_token(part: &str) -> bool {
    part.len() >= TOKEN_CHARS
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'%'))
        && part.bytes().any(|byte| byte.is_ascii_digit())
        && part.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://a.example/Unsubscribe?id=5", Some("unsubscribe"))]
    #[case("https://a.example/account/reset-password?x=1", Some("resetpassword"))]
    #[case("https://a.example/u/opt_out/77", Some("optout"))]
    #[case("https://a.example/confirm?t=5f2b8a90c1d34e5f8a7b", Some("confirm"))]
    #[case("https://a.example/login/magic/eyJhbGciOiJIUzI1NiJ9.x1", Some("magic"))]
    #[case("https://a.example/login", None)]
    #[case("https://a.example/confirm?order=12", None)]
    #[case("https://unsubscribe.example/news", None)]
    #[case("https://unsubscribe.example", None)]
    #[case("https://a.example/files/5f2b8a90c1d34e5f8a7b.zip", None)]
    fn tells_links_that_work_once(#[case] url: &str, #[case] word: Option<&str>) {
        assert_eq!(one_time_word(url), word);
    }
}
