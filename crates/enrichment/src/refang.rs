//! Undoing what people do to a URL so that nobody clicks on it.
//!
//! Only forms that no working URL has are undone: `hxxp`, brackets around a dot of the host, brackets around the
//! colon behind the scheme. Brackets behind the host are touched only where the host was defanged too, because a
//! path may hold them in earnest.

use std::borrow::Cow;

/// What stands for a dot.
const DOTS: [&str; 6] = ["[.]", "(.)", "{.}", "[dot]", "(dot)", "{dot}"];
/// What stands for the colon behind a scheme.
const COLONS: [&str; 4] = ["[://]", "[:]//", "(:)//", ":[//]"];

/// Returns the URL as it was before somebody defanged it; borrowed if nobody did.
pub(crate) fn refang(text: &str) -> Cow<'_, str> {
    let with_scheme = scheme(text);
    let (head, host, tail) = cut(&with_scheme);
    let mended = dots(host);
    if matches!(mended, Cow::Borrowed(_)) {
        return match with_scheme {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(owned) => Cow::Owned(owned),
        };
    }
    Cow::Owned(format!("{head}{mended}{}", dots(tail)))
}

/// Mends the scheme.
fn scheme(text: &str) -> Cow<'_, str> {
    let mut mended = Cow::Borrowed(text);
    for colon in COLONS {
        if let Some((before, after)) = mended.split_once(colon)
            && before.len() <= 6
            && before.bytes().all(|byte| byte.is_ascii_alphabetic())
        {
            mended = Cow::Owned(format!("{before}://{after}"));
            break;
        }
    }
    for (defanged, meant) in
        [("hxxps", "https"), ("hxxp", "http"), ("fxp", "ftp"), ("h**ps", "https"), ("h**p", "http")]
    {
        let begin = mended.get(..defanged.len());
        if begin.is_some_and(|begin| begin.eq_ignore_ascii_case(defanged))
            && let Some(rest) = mended.get(defanged.len()..).filter(|rest| rest.starts_with(':'))
        {
            return Cow::Owned(format!("{meant}{rest}"));
        }
    }
    mended
}

/// Cuts a URL before and behind its authority.
fn cut(text: &str) -> (&str, &str, &str) {
    let begin = text.find("://").map_or(0, |at| at + 3);
    let (head, rest) = text.split_at(begin);
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (host, tail) = rest.split_at(end);
    (head, host, tail)
}

fn dots(text: &str) -> Cow<'_, str> {
    let mut mended = Cow::Borrowed(text);
    for dot in DOTS {
        // The words are ASCII, so a search without regard to case may compare lower case copies.
        while let Some(at) = mended.to_ascii_lowercase().find(dot) {
            let (before, after) = mended.split_at(at);
            mended = Cow::Owned(format!("{before}.{}", after.get(dot.len()..).unwrap_or_default()));
        }
    }
    mended
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("hxxps://evil[.]example/a", "https://evil.example/a")]
    #[case("HXXP://evil[.]example", "http://evil.example")]
    #[case("https[:]//evil.example/x", "https://evil.example/x")]
    #[case("https[://]evil(.)example/x", "https://evil.example/x")]
    #[case("hxxp[:]//evil[dot]example[.]org/a[.]php", "http://evil.example.org/a.php")]
    #[case("evil[.]example/a", "evil.example/a")]
    fn undoes(#[case] text: &str, #[case] meant: &str) {
        assert_eq!(refang(text), meant);
    }

    #[rstest]
    #[case("https://evil.example/a[.]b")]
    #[case("http://[2001:db8::1]/a")]
    #[case("https://evil.example/?q=hxxp://x")]
    #[case("https://evil.example/a(dot)b?x=[:]//")]
    fn leaves_alone_what_may_be_meant(#[case] text: &str) {
        assert!(matches!(refang(text), Cow::Borrowed(same) if same == text), "{}", refang(text));
    }
}
