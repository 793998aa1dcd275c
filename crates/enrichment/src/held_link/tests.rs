use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case("https://app.example/password/reset/8f14e45fceea167a")]
#[case("https://app.example/password/reset/abc")]
#[case("https://app.example/verify-email?code=482913")]
#[case("https://app.example/verifyEmail/code/8f14e45fceea167a")]
#[case("https://app.example/account/activate/9e107d9d37")]
#[case("https://app.example/#access_token=ya29.a0AfH6SM&token_type=Bearer")]
#[case("https://app.example/cb?code=SplxlOBeZQQYbYS6WxSbIA&state=xyz")]
#[case("https://app.example/cb?state=xyz&code=4/0AX4X")]
#[case("https://store.blob.core.windows.net/a/b.pdf?sv=2022-11-02&se=2026-01-01&sr=b&sp=r&sig=Zm9v%2Bbar%3D")]
#[case("https://bucket.s3.amazonaws.com/a?X-Amz-Expires=60&X-Amz-Signature=fe5f80f77d5fa3beca038a248ff027d0")]
#[case("https://storage.googleapis.com/a/b?X-Goog-Signature=247a2aa45f169edf")]
#[case("https://app.example/?jwt=x.y.z")]
#[case("https://app.example/v/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3")]
#[case("https://app.example/a?sessionid=5")]
#[case("https://app.example/a;JSESSIONID=1A2B/index.jsp")]
#[case("https://zoom.us/j/123456789?pwd=QWxhZGRpbg")]
#[case("https://teams.microsoft.com/l/meetup-join/19%3ameeting_x")]
#[case("https://a.example/Unsubscribe?id=5")]
#[case("https://a.example/account/reset-password?x=1")]
#[case("https://a.example/u/opt_out/77")]
#[case("https://a.example/confirm?t=5f2b8a90c1d34e5f8a7b")]
#[case("https://a.example/login/magic/eyJhbGciOiJIUzI1NiJ9.x1")]
#[case("https://a.example/invite/Zk3Jq8LmNp2RsTuV")]
#[case("https://a.example/api?api_key=abc")]
#[case("https://a.example/sso?SAMLResponse=PHNhbWw")]
#[case("https://a.example/cas?ticket=ST-1856339-aA5Yuvrxzpv8Tau1cYQ7")]
#[case("https://app.firebaseapp.com/__/auth/action?mode=resetPassword&oobCode=ABC")]
#[case("https://hooks.slack.com/services/T00/B00/X")]
#[case("https://discord.com/api/webhooks/123/aB3dE5fG7hI9jK1lM3")]
#[case("https://eu.onetimesecret.com/secret/abc")]
#[case("https://safe.example/?url=https%3A%2F%2Fa.example%2Fcb%3Faccess_token%3Dabc")]
#[case("https://safe.example/?url=https%253A%252F%252Fa.example%252Fcb%253Fsig%253Dabcd")]
#[case("https://a.example/?x=1&amp;access_token=abc")]
#[case("https://a.example?%61ccess%5Ftoken=abc")]
fn a_link_that_works_once_or_carries_a_secret_is_held_back(#[case] url: &str) {
    assert!(rule_for(url).is_some(), "{url}");
}

#[rstest]
#[case("https://a.example")]
#[case("https://a.example/login")]
#[case("https://a.example/login.php?id=12")]
#[case("https://a.example/confirm?order=12")]
#[case("https://unsubscribe.example/news")]
#[case("https://unsubscribe.example")]
#[case("https://access_token.example/?a=b")]
#[case("https://nothooks.slack.com.example/services")]
#[case("https://a.example/files/5f2b8a90c1d34e5f8a7b.zip")]
#[case("https://a.example/f/5f2b8a90c1d34e5f8a7b5f2b8a90c1d34e5f8a7b/setup.exe")]
#[case("https://a.example/?code=de")]
#[case("https://a.example/?code=48291&page=2")]
#[case("https://a.example/?sid=12")]
#[case("https://a.example/?sig=")]
#[case("https://a.example/?design=modern")]
#[case("https://a.example/?key=color")]
#[case("https://a.example/reset")]
#[case("https://a.example/share/invoice.pdf")]
#[case("https://a.example/2024/11/24/how-to-reset-your-router")]
#[case("https://a.example/search?q=password+manager")]
#[case("https://a.example/a%2")]
#[case("https://a.example/%+1")]
fn an_ordinary_link_passes(#[case] url: &str) {
    assert_eq!(rule_for(url).map(ToString::to_string), None, "{url}");
}

#[test]
fn the_page_shows_the_table() {
    let mut rows: Vec<(&str, Vec<String>)> = Vec::new();
    for rule in RULES {
        match rows.iter_mut().find(|(reason, _)| *reason == rule.reason) {
            Some((_, signs)) => signs.push(rule.sign.to_string()),
            None => rows.push((rule.reason, vec![rule.sign.to_string()])),
        }
    }
    let rows = rows.iter().map(|(reason, signs)| format!("| {reason} | {} |\n", signs.join("; ")));
    let table = format!("| why it is held back | what is looked for |\n|---|---|\n{}", rows.collect::<String>());
    let page = include_str!("../../../../docs/src/enrichment.md");
    assert!(page.contains(&table), "docs/src/enrichment.md lacks this table:\n{table}");
}

#[test]
fn no_rule_stands_behind_one_that_takes_all_it_could_take() {
    for (at, rule) in RULES.iter().enumerate() {
        let (_, link) = examples(rule.sign).remove(0);
        let taken_by = RULES.iter().position(|other| other.sign.is_in(&link.0, &Text::of(&link.1)));
        assert!(taken_by <= Some(at), "{rule} does not take its own example {link:?}");
    }
}

type Link = (String, String);

/// Returns links that a rule must take, as host and rest, each with what it is an example of.
fn examples(sign: Sign) -> Vec<(&'static str, Link)> {
    let behind = |rest: String| ("a.example".to_owned(), rest);
    let value = |value: Value| match value {
        Value::Any => "x",
        Value::Some => "wxyz",
        Value::Token => "5f2b8a90c1d34e5f8a7b",
    };
    match sign {
        Sign::Words(phrase) => ["-", "_", "/", ""]
            .into_iter()
            .map(|by| ("words", behind(format!("/{}?a=b", phrase.split(' ').collect::<Vec<_>>().join(by)))))
            .collect(),
        Sign::WordsAndToken(phrase) => ["-", "_", "/", ""]
            .into_iter()
            .flat_map(|by| {
                let words = phrase.split(' ').collect::<Vec<_>>().join(by);
                [format!("/{words}/9e107d9d372bb6826bd81d3542a419d6"), format!("/{words}?code=482913")]
            })
            .map(|rest| ("words beside a token", behind(rest)))
            .collect(),
        Sign::Parameter(name, form) => {
            ["?", "?a=b&", "#", "/x;"].map(|by| ("parameter", behind(format!("/{by}{name}={}", value(form))))).to_vec()
        }
        Sign::ParameterEnding(end, form) => ["", "x-amz-", "my_"]
            .map(|begin| ("end of a parameter", behind(format!("/?{begin}{end}={}", value(form)))))
            .to_vec(),
        Sign::Together(name, other) => {
            vec![
                ("both", behind(format!("/?{name}=wxyz&{other}=1"))),
                ("both", behind(format!("/?{other}=1&{name}=wxyz"))),
            ]
        }
        Sign::Host(name) => ["", "eu."].map(|below| ("host", (format!("{below}{name}"), "/x".to_owned()))).to_vec(),
        Sign::JsonWebToken => vec![("token", behind("/?q=eyJhbGciOiJI.eyJzdWIi.dozj".to_owned()))],
    }
}

/// Writes some letters in percent signs, `times` over.
fn encoded(text: &str, which: &[bool], times: usize) -> String {
    let mut text = text.to_owned();
    for _ in 0..times {
        let mut which = which.iter().cycle();
        let letters = text.chars().map(|c| {
            let turn = which.next().is_some_and(|turn| *turn) && (c.is_ascii_alphanumeric() || c == '%');
            if turn { format!("%{:02X}", u32::from(c)) } else { c.to_string() }
        });
        text = letters.collect();
    }
    text
}

proptest! {
    #[test]
    fn every_rule_takes_its_links_however_they_are_written(
        rule in 0..RULES.len(),
        example in 0_usize..8,
        upper: bool,
        which in prop::collection::vec(any::<bool>(), 1..9),
        times in 0_usize..3,
        further in "[a-z]{1,5}=[a-z0-9]{1,5}",
        port in prop::option::of(1_u16..),
    ) {
        let examples = examples(RULES[rule].sign);
        let (_, (host, rest)) = &examples[example % examples.len()];
        // What a token looks like hangs on its case; names and words do not.
        let rest = match RULES[rule].sign {
            Sign::Words(_) if upper => rest.to_ascii_uppercase(),
            _ => rest.clone(),
        };
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        let url = format!("https://{host}{port}{}&{further}", encoded(&rest, &which, times));
        prop_assert!(rule_for(&url).is_some(), "{}: {url}", RULES[rule].sign);
    }

    #[test]
    fn words_alone_hold_nothing_back(path in prop::collection::vec("[a-z]{1,9}", 0..5), id in 0_u32..100_000) {
        let url = format!("https://a.example/{}?page={id}", path.join("/"));
        let said = |rule: &Rule| match rule.sign {
            Sign::Words(phrase) => Text::of(&url).has(phrase),
            _ => false,
        };
        prop_assert!(rule_for(&url).is_none_or(said), "{url}");
    }

    #[test]
    fn no_text_makes_it_panic(url in "\\PC*") {
        let _ = rule_for(&url);
        let _ = rule_for(&format!("https://a/?{url}%"));
    }
}
