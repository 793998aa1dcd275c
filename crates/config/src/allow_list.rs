//! `AllowList`: the built-in list, files, or both.

use indicators::NoiseList;

/// The column of a Sentinel watchlist export that holds its values.
const SEARCH_KEY: &str = "SearchKey";

/// Reads the setting: `builtin`, `none` and paths, separated by commas. The error continues the setting's name.
pub(crate) fn read(text: &str) -> Result<NoiseList, String> {
    let mut built_in = true;
    let mut entries = String::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        match item {
            "builtin" => built_in = true,
            "none" => built_in = false,
            path => {
                let file = std::fs::read_to_string(path)
                    .map_err(|error| format!("names {path}, which cannot be read: {error}"))?;
                let is_csv = std::path::Path::new(path).extension().is_some_and(|end| end.eq_ignore_ascii_case("csv"));
                let file = if is_csv { first_column(&file) } else { file };
                // Each file alone first, so that a wrong line is counted in its own file.
                NoiseList::parse(&file).map_err(|error| format!("names {path}, which has a wrong entry: {error}"))?;
                entries.push_str(file.trim_start_matches('\u{feff}'));
                entries.push('\n');
            }
        }
    }
    let list = NoiseList::parse(&entries).map_err(|error| error.to_string())?;
    Ok(if built_in { list.with_built_in() } else { list })
}

/// Takes the values of a watchlist export: the column `SearchKey`, else the first. The heading becomes a comment, so
/// that lines keep their numbers.
fn first_column(text: &str) -> String {
    let text = text.trim_start_matches('\u{feff}');
    let column =
        text.lines().next().and_then(|heading| cells(heading).position(|cell| cell == SEARCH_KEY)).unwrap_or(0);
    text.lines()
        .enumerate()
        .map(|(n, line)| if n == 0 { "#\n".to_owned() } else { cells(line).nth(column).unwrap_or_default() + "\n" })
        .collect()
}

/// The cells of a line; a quoted cell may hold commas and doubled quotes.
fn cells(line: &str) -> impl Iterator<Item = String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                push(&mut cells, '"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => push(&mut cells, c),
        }
    }
    cells.into_iter()
}

fn push(cells: &mut [String], c: char) {
    if let Some(cell) = cells.last_mut() {
        cell.push(c);
    }
}

#[cfg(test)]
mod tests {
    use stix::Observable;

    use super::*;

    fn listed(list: &NoiseList, domain: &str) -> bool {
        list.rule_for(&Observable::domain(domain).unwrap()).is_some()
    }

    #[test]
    fn files_add_to_the_built_in_list_unless_it_is_turned_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allow.txt");
        std::fs::write(&path, "# ours\nours.example\n").unwrap();
        let path = path.to_str().unwrap();
        for setting in [path.to_owned(), format!("builtin, {path}"), format!("none,{path}")] {
            assert!(listed(&read(&setting).unwrap(), "www.ours.example"), "{setting}");
        }
        assert!(!listed(&read("none").unwrap(), "www.ours.example"));
    }

    #[test]
    fn a_watchlist_export_is_read_by_its_search_key() {
        let export = "_DTItemId,SearchKey,Note\n1,ours.example,\"a, \"\"b\"\"\"\n2,\"other.example\",c\n";
        assert_eq!(first_column(export), "#\nours.example\nother.example\n");
        assert_eq!(first_column("domain,note\nours.example,x\n"), "#\nours.example\n");
    }

    #[test]
    fn a_wrong_entry_names_its_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("allow.txt");
        std::fs::write(&path, "ours.example\nco.uk\n").unwrap();
        let error = read(path.to_str().unwrap()).unwrap_err();
        assert!(error.contains("allow.txt") && error.contains("line 2"), "{error}");
    }
}
