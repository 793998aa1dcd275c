//! The settings as a manual page, `vmray-sentinel-settings(5)`.

use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::setting::{Fallback, Form, Group, Setting};
use crate::settings::ALL;

/// Returns the page. It has no date: the same program gives the same page.
pub fn manual_page() -> String {
    let mut page = Roff::new();
    let title = ["VMRAY-SENTINEL-SETTINGS", "5", "", concat!("vmray-sentinel ", env!("CARGO_PKG_VERSION"))];
    page.control("TH", title);
    section(&mut page, "NAME");
    page.text([roman("vmray-sentinel-settings - settings of vmray-sentinel")]);
    section(&mut page, "DESCRIPTION");
    page.text(marked(
        "Flags win over the environment, the environment over the file (`--config FILE` or `ConfigUrl`), the file over the \
         default. In the environment, names are case-insensitive; in the file they are written as here, and \
         an unknown key is an error. Any setting that is no secret can be given as `--set NAME=VALUE`. `vmray-sentinel \
         config show` prints what is in effect and where it comes from. Durations are written `90s`, `15m`, `24h`, `7d`.",
    ));
    for group in Group::ALL {
        section(&mut page, &group.title().to_uppercase());
        for setting in ALL.into_iter().filter(|setting| setting.group == group) {
            page.control("TP", []);
            page.text([bold(setting.name)]);
            page.text(marked(&meaning(setting)));
        }
    }
    section(&mut page, "SEE ALSO");
    page.text([bold("vmray-sentinel"), roman("(1)")]);
    page.render()
}

fn meaning(setting: &Setting) -> String {
    let mut sentences = vec![setting.doc.to_owned()];
    if let Form::Choice(choices) = setting.form {
        let choices: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
        sentences.push(format!("One of {}.", choices.join(", ")));
    }
    sentences.extend(match setting.default {
        Fallback::Required => Some("It is required.".to_owned()),
        Fallback::Absent => None,
        Fallback::Text(default) => Some(format!("Default: `{default}`.")),
        Fallback::Computed(how) => Some(format!("Default: {how}.")),
    });
    if !setting.form.is_secret() {
        sentences.push(format!("Example: `{}`.", setting.example));
    }
    sentences.join(" ")
}

fn section(page: &mut Roff, title: &str) {
    page.control("SH", [title]);
}

/// Text with what stands between backticks in bold.
fn marked(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    parts.map(|(place, part)| if place % 2 == 0 { roman(part) } else { bold(part) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_page_has_every_setting_and_tells_no_secret_example() {
        let page = manual_page();
        for setting in ALL {
            assert!(page.contains(&format!("\\fB{}\\fR", setting.name)), "{}", setting.name);
            let example = format!("Example: \\fB{}", setting.example.replace('-', "\\-"));
            assert!(!setting.form.is_secret() || !page.contains(&example), "{}", setting.name);
        }
    }
}
