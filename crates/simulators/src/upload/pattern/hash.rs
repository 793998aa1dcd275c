//! Hashes in patterns: a value of the form that its algorithm gives it, as the validator of OASIS asks.

/// Checks the value of a comparison whose path leads into `hashes`. Upper case and hyphens of the algorithm do not count.
pub(super) fn check(steps: &[String], literal: &str) -> Result<(), String> {
    let Some(algorithm) = steps.last().filter(|_| steps.iter().any(|step| step == "hashes")) else { return Ok(()) };
    let digits = match algorithm.to_uppercase().replace(['-', '\''], "").as_str() {
        "MD5" => 32,
        "SHA1" | "RIPEMD160" => 40,
        "SHA224" | "SHA3224" => 56,
        "SHA256" | "SHA3256" => 64,
        "SHA384" | "SHA3384" => 96,
        "SHA512" | "SHA3512" | "WHIRLPOOL" => 128,
        _ => return Ok(()),
    };
    let value = literal.replace('\'', "");
    let valid = value.len() == digits && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if valid { Ok(()) } else { Err(format!("{literal} is no {algorithm} hash")) }
}
