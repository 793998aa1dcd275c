//! Which setting a name that is none was meant to be.

use crate::settings::{ALL, CONFIG_URL, Setting};

/// From this length on two slips are still recognised.
const LONG: usize = 12;
/// Below this length only what keeps the letters is recognised: `TMP` is one letter away from `Tlp`.
const SHORT: usize = 6;
/// Likeness (Jaro and Winkler) from which a name is worth a question.
const LIKE: f64 = 0.8;

/// Returns the names that can be set, aliases included.
pub(crate) fn known() -> impl Iterator<Item = &'static str> {
    ALL.into_iter()
        .flat_map(|setting| std::iter::once(&setting.name).chain(setting.aliases))
        .copied()
        .chain([CONFIG_URL])
}

/// Returns the known name that was meant, if it is hardly another one: but for separators, one slip of the fingers, or
/// two in a long name.
pub(crate) fn near(name: &str) -> Option<&'static str> {
    let plain = without_separators(&name.to_lowercase());
    known()
        .filter_map(|known| {
            let wanted = without_separators(&known.to_lowercase());
            let slips = match wanted.len() {
                0..SHORT => usize::from(is_swapped(&plain, &wanted)),
                SHORT..LONG => 1,
                _ => 2,
            };
            let distance = strsim::damerau_levenshtein(&plain, &wanted);
            (distance <= slips).then_some((distance, known))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Returns the setting whose name is most like `name`, if one is like it at all.
pub(crate) fn nearest(name: &str) -> Option<&'static Setting> {
    let meant = near(name);
    let near = ALL
        .into_iter()
        .find(|setting| meant.is_some_and(|meant| setting.name == meant || setting.aliases.contains(&meant)));
    near.or_else(|| most_like(name))
}

fn most_like(name: &str) -> Option<&'static Setting> {
    let wanted = name.to_lowercase();
    ALL.into_iter()
        .map(|setting| (strsim::jaro_winkler(&wanted, &setting.name.to_lowercase()), setting))
        .filter(|(likeness, _)| *likeness > LIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, setting)| setting)
}

fn without_separators(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | '.')).collect()
}

/// Says whether two texts have the same letters, in another order, or one of them twice.
fn is_swapped(one: &str, other: &str) -> bool {
    let letters = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    let (mut one, other) = (letters(one), letters(other));
    if one.len() == other.len() + 1 {
        one.dedup();
    }
    one == other
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("VmrayBaseUrl", "VmrayBaseURL")]
    #[case("vmray_api_key", "VmrayAPIKey")]
    #[case("Pollling", "Polling")]
    #[case("tlp", "Tlp")]
    #[case("Tpl", "Tlp")]
    #[case("TTLP", "Tlp")]
    #[case("https_proxy", "HttpsProxy")]
    #[case("AZURE_TENANT", "AzureTenantID")]
    fn a_misspelt_name_is_recognised(#[case] name: &str, #[case] meant: &str) {
        assert_eq!(nearest(name).map(|setting| setting.name), Some(meant));
    }

    #[test]
    fn another_name_is_none_of_ours() {
        assert_eq!(nearest("colour"), None);
    }
}
