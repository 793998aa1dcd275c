//! The table of the rules, each with its reason. The page on the enrichment shows the same table.

use super::{Harm, Rule, Sign, Value};

/// Every rule, the surest first.
pub(super) const RULES: &[Rule] = &[
    // What says by itself that opening it does something.
    once(Sign::Words("unsubscribe"), UNSUBSCRIBES),
    once(Sign::Words("unsub"), UNSUBSCRIBES),
    once(Sign::Words("opt out"), UNSUBSCRIBES),
    once(Sign::Words("list unsubscribe"), UNSUBSCRIBES),
    once(Sign::Words("abmelden"), UNSUBSCRIBES),
    once(Sign::Words("abbestellen"), UNSUBSCRIBES),
    once(Sign::Words("desabonner"), UNSUBSCRIBES),
    once(Sign::Words("password reset"), RESETS),
    once(Sign::Words("reset password"), RESETS),
    once(Sign::Words("password recovery"), RESETS),
    once(Sign::Words("recover password"), RESETS),
    once(Sign::Words("forgot password"), RESETS),
    once(Sign::Words("passwort zuruecksetzen"), RESETS),
    once(Sign::Words("reset token"), RESETS),
    once(Sign::Words("magic link"), LOGS_IN),
    once(Sign::Words("one time login"), LOGS_IN),
    once(Sign::Words("one time secret"), SHOWN_ONCE),
    once(Sign::Host("onetimesecret.com"), SHOWN_ONCE),
    once(Sign::Host("privnote.com"), SHOWN_ONCE),
    once(Sign::Host("pwpush.com"), SHOWN_ONCE),
    // What carries a secret that works until it expires.
    secret(Sign::Parameter("accesstoken", Value::Any), BEARER),
    secret(Sign::Parameter("idtoken", Value::Any), BEARER),
    secret(Sign::Parameter("refreshtoken", Value::Any), BEARER),
    secret(Sign::Parameter("bearer", Value::Any), BEARER),
    secret(Sign::Parameter("authorization", Value::Any), BEARER),
    secret(Sign::Parameter("jwt", Value::Any), BEARER),
    secret(Sign::JsonWebToken, BEARER),
    secret(Sign::ParameterEnding("token", Value::Some), BEARER),
    secret(Sign::Parameter("auth", Value::Token), BEARER),
    secret(Sign::Parameter("assertion", Value::Token), BEARER),
    secret(Sign::Parameter("samlresponse", Value::Any), BEARER),
    secret(Sign::Parameter("samlart", Value::Any), BEARER),
    secret(Sign::Parameter("ticket", Value::Token), BEARER),
    secret(Sign::Parameter("sessionid", Value::Any), SESSION),
    secret(Sign::Parameter("jsessionid", Value::Any), SESSION),
    secret(Sign::Parameter("phpsessid", Value::Any), SESSION),
    secret(Sign::Parameter("sessid", Value::Any), SESSION),
    secret(Sign::Parameter("session", Value::Some), SESSION),
    secret(Sign::Parameter("sessionkey", Value::Any), SESSION),
    secret(Sign::Parameter("sid", Value::Token), SESSION),
    secret(Sign::Parameter("sig", Value::Some), SIGNED),
    secret(Sign::ParameterEnding("signature", Value::Some), SIGNED),
    secret(Sign::Parameter("hmac", Value::Some), SIGNED),
    secret(Sign::Parameter("apikey", Value::Any), KEY),
    secret(Sign::Parameter("accesskey", Value::Any), KEY),
    secret(Sign::ParameterEnding("secret", Value::Some), KEY),
    secret(Sign::Parameter("key", Value::Token), KEY),
    secret(Sign::Parameter("code", Value::Token), CODE),
    secret(Sign::Together("code", "state"), CODE),
    secret(Sign::Together("code", "sessionstate"), CODE),
    once(Sign::Parameter("oobcode", Value::Any), CODE),
    once(Sign::Parameter("otp", Value::Some), CODE),
    secret(Sign::Parameter("password", Value::Any), PASSWORD),
    secret(Sign::Parameter("passwd", Value::Any), PASSWORD),
    secret(Sign::Parameter("passcode", Value::Any), PASSWORD),
    secret(Sign::Parameter("pwd", Value::Any), MEETING),
    secret(Sign::Words("meetup join"), MEETING),
    secret(Sign::Parameter("mtid", Value::Some), MEETING),
    secret(Sign::Host("hooks.slack.com"), WEBHOOK),
    secret(Sign::Host("webhook.office.com"), WEBHOOK),
    secret(Sign::WordsAndToken("api webhooks"), WEBHOOK),
    // Words that mean it only beside something that looks like a token.
    once(Sign::WordsAndToken("reset"), RESETS),
    once(Sign::WordsAndToken("recover"), RESETS),
    once(Sign::WordsAndToken("recovery"), RESETS),
    once(Sign::WordsAndToken("confirm"), CONFIRMS),
    once(Sign::WordsAndToken("confirmation"), CONFIRMS),
    once(Sign::WordsAndToken("verify"), CONFIRMS),
    once(Sign::WordsAndToken("verification"), CONFIRMS),
    once(Sign::WordsAndToken("validate"), CONFIRMS),
    once(Sign::WordsAndToken("activate"), CONFIRMS),
    once(Sign::WordsAndToken("activation"), CONFIRMS),
    once(Sign::WordsAndToken("accept"), CONFIRMS),
    once(Sign::WordsAndToken("approve"), CONFIRMS),
    once(Sign::WordsAndToken("invite"), CONFIRMS),
    once(Sign::WordsAndToken("invitation"), CONFIRMS),
    once(Sign::WordsAndToken("magic"), LOGS_IN),
    once(Sign::WordsAndToken("otp"), LOGS_IN),
    once(Sign::WordsAndToken("one time"), LOGS_IN),
    once(Sign::WordsAndToken("login"), LOGS_IN),
    once(Sign::WordsAndToken("signin"), LOGS_IN),
    once(Sign::WordsAndToken("auth"), LOGS_IN),
    once(Sign::WordsAndToken("oauth"), LOGS_IN),
    once(Sign::WordsAndToken("callback"), LOGS_IN),
    once(Sign::WordsAndToken("sso"), LOGS_IN),
    secret(Sign::WordsAndToken("token"), BEARER),
    secret(Sign::WordsAndToken("share"), SHARED),
    secret(Sign::WordsAndToken("ical"), SHARED),
];

const UNSUBSCRIBES: &str = "opening it takes its owner off a list, and tells the sender that the address is read";
const RESETS: &str = "opening it uses up a password reset, and whoever opens it may set the password";
const LOGS_IN: &str = "opening it logs in as its owner, and uses the link up";
const SHOWN_ONCE: &str = "what is behind it is shown once and then deleted";
const CONFIRMS: &str = "opening it confirms or accepts something in its owner's name";
const BEARER: &str = "whoever has the token acts as its owner until it expires";
const SESSION: &str = "whoever has the session acts as its owner until it ends";
const SIGNED: &str = "the signature lets whoever has the link read or write what is behind it";
const KEY: &str = "the key opens a service at its owner's cost";
const CODE: &str = "the code can be turned into a login of its owner, once";
const PASSWORD: &str = "it holds a password";
const MEETING: &str = "it lets whoever has it into a meeting";
const WEBHOOK: &str = "whoever has it can write into its owner's channel";
const SHARED: &str = "it opens what was shared with its owner only";

const fn once(sign: Sign, reason: &'static str) -> Rule {
    Rule { sign, harm: Harm::UsedUp, reason }
}

const fn secret(sign: Sign, reason: &'static str) -> Rule {
    Rule { sign, harm: Harm::Secret, reason }
}
