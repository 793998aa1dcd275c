//! `config show`, `config schema` and `config api-key`.

use config::{self, Scope, Shown};
use serde_json::json;

use crate::app::App;
use crate::cli::Config;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::paint::Paint;

pub(crate) fn run(app: &App, which: &Config) -> Result<Exit, Failure> {
    match which {
        Config::Show => return show(app),
        Config::Schema => output::json(&config::schema())?,
        Config::ApiKey { name, scope } => api_key(app, name, *scope)?,
        Config::Reference if app.json => output::json(&json!({ "markdown": config::reference() }))?,
        Config::Reference => output::text(&config::reference())?,
    }
    Ok(Exit::Done)
}

fn api_key(app: &App, name: &str, scope: Scope) -> Result<(), Failure> {
    let made = config::make_api_key(name, scope).map_err(|why| Failure::usage(anyhow::anyhow!(why)))?;
    if app.json {
        output::json(&json!({ "key": made.key, "entry": made.entry }))?;
    } else {
        output::text(&format!("key    {}\nentry  {}\n", app.out.strong(&made.key), made.entry))?;
        app.say(
            "The key is shown only this once; give it to its user. Add the entry to ApiKeys, separated by a comma.\n",
        );
    }
    Ok(())
}

fn show(app: &App) -> Result<Exit, Failure> {
    let shown = config::effective(&app.settings);
    let problems = app.settings.problems();
    if app.json {
        // One object, which has the problems in it.
        output::json(&json!({ "settings": shown, "problems": problems.iter().collect::<Vec<_>>() }))?;
        return Ok(if problems.is_empty() { Exit::Done } else { Exit::Usage });
    }
    output::text(&table(&shown, app.out))?;
    // The table still helps to find what is wrong.
    if problems.is_empty() { Ok(Exit::Done) } else { Err(problems.clone().into()) }
}

fn table(shown: &[Shown], paint: Paint) -> String {
    use std::fmt::Write as _;

    let name_width = shown.iter().map(|row| row.setting.len()).max().unwrap_or_default();
    let value = |row: &Shown| row.value.clone().unwrap_or_else(|| "-".to_owned());
    let value_width = shown.iter().map(|row| value(row).chars().count()).max().unwrap_or_default().min(44);
    let mut text = String::new();
    for row in shown {
        let source = match &row.place {
            Some(place) => format!("{} {place}", row.source),
            None => row.source.to_owned(),
        };
        let chosen = matches!(row.source, "flag" | "environment" | "file");
        let value = value(row);
        let value = format!("{value:<value_width$}");
        let value = if chosen { paint.strong(value) } else { paint.faint(value) };
        writeln!(text, "{:<name_width$}  {value}  {}", row.setting, paint.faint(source)).unwrap_or_default();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::{Environment, Settings};

    #[test]
    fn the_table_is_aligned_and_masks_secrets() {
        let environment = Environment::from([
            ("VmrayBaseURL", "https://vmray.example"),
            ("vmrayapikey", "hunter2"),
            ("TLP", "green"),
        ]);
        let settings = Settings::load(&[], environment, None);
        insta::assert_snapshot!(table(&config::effective(&settings), Paint::plain()));
    }
}
