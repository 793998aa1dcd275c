//! Names that mean something else on every network, or nothing.
//!
//! `example`, `example.com` and `test` are left alone, for the reason given in `address`. `onion` is left alone
//! because what runs there is somebody's.

/// Top-level names used inside networks, or set aside (RFC 6761, RFC 6762, RFC 8375, ICANN on `internal`,
/// `home`, `corp`), and `arpa`, below which addresses are spelled backwards.
const RESERVED: [&str; 13] = [
    "arpa",
    "corp",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "private",
    "workgroup",
    "localnet",
];

/// Says whether a name in lower case is a single label or ends in a reserved one.
pub fn is_reserved_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.rsplit_once('.') {
        None => true,
        Some((_, last)) => RESERVED.contains(&last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_inside_from_outside() {
        for name in ["localhost", "wpad", "printer.local", "dc.corp", "7.100.51.198.in-addr.arpa", "a.internal."] {
            assert!(is_reserved_name(name), "{name}");
        }
        for name in ["evil.example", "example.com", "a.test", "abc.onion", "local.evil.example", "notlocal.com"] {
            assert!(!is_reserved_name(name), "{name}");
        }
    }
}
