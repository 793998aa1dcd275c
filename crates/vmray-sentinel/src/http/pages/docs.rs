//! `/docs`: the API for people, without a script.

use askama::Template;
use askama::filters::{Html, escape};
use serde_json::{Map, Value, json};

use crate::http::enrich_fields::{self, Field};
use crate::http::operations::{self, Kind, Method, Operation, Parameter};
use crate::invocation;

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsPage {
    version: &'static str,
    server: String,
    api_key_command: String,
    routes: Vec<Route>,
}

/// All methods of one path. What may hold `code` is markup already.
struct Route {
    path: String,
    methods: String,
    summary: String,
    answer: String,
    scope: String,
    parameters: Vec<Row>,
    statuses: Vec<Status>,
    examples: Vec<String>,
}

struct Row {
    name: String,
    needed: &'static str,
    form: String,
    doc: String,
}

struct Status {
    code: u16,
    when: String,
}

/// Writes the page. `server` is where its reader reaches us.
pub(super) fn render(server: &str) -> askama::Result<String> {
    let mut routes: Vec<Route> = Vec::new();
    for operation in operations::all() {
        match routes.last_mut().filter(|last| last.path == operation.path) {
            Some(same) => {
                same.methods = format!("{}, {}", same.methods, operation.method.as_str().to_uppercase());
                same.examples.push(example(server, &operation));
            }
            None => routes.push(described(server, &operation)),
        }
    }
    let api_key_command = invocation::command("config api-key NAME");
    DocsPage { version: env!("CARGO_PKG_VERSION"), server: server.to_owned(), api_key_command, routes }.render()
}

fn described(server: &str, operation: &Operation) -> Route {
    let refusals = operation.refusals().into_iter();
    Route {
        path: operation.path.clone(),
        methods: operation.method.as_str().to_uppercase(),
        summary: prose(operation.summary),
        answer: prose(operation.answer),
        scope: operation.scope.map_or_else(|| "none".to_owned(), |scope| scope.to_string()),
        parameters: rows(operation),
        statuses: refusals.map(|status| Status { code: status.code, when: prose(status.when) }).collect(),
        examples: vec![example(server, operation)],
    }
}

fn rows(operation: &Operation) -> Vec<Row> {
    let row = |name: String, needed: bool, form: &str, doc: &str| Row {
        name,
        needed: if needed { "yes" } else { "" },
        form: prose(form),
        doc: prose(doc),
    };
    let of = |prefix: &str, needed: bool, field: &Field| {
        row(format!("{prefix}{}", field.name), needed, field.form, field.doc)
    };
    match operation.kind {
        Kind::Enrich => std::iter::once(of("", true, &enrich_fields::ITEMS))
            .chain(enrich_fields::OF_ITEM.iter().map(|field| of("items[].", false, field)))
            .chain(enrich_fields::OPTIONS.iter().map(|field| of("", false, field)))
            .collect(),
        Kind::Job => enrich_fields::OF_LINK.iter().map(|field| of("", true, field)).collect(),
        Kind::LookUp | Kind::Submit | Kind::Status => operation
            .parameters
            .iter()
            .map(|given| row(given.name.to_owned(), given.required, operations::in_words(given.form), given.doc))
            .collect(),
    }
}

/// Writes a call that can be made as it stands, but for the values.
fn example(server: &str, operation: &Operation) -> String {
    let needed = operation.parameters.iter().filter(|parameter| parameter.required);
    let needed: Map<String, Value> = needed.map(|needed| (needed.name.to_owned(), example_of(needed))).collect();
    let path = &operation.path;
    let key = "-H \"X-Functions-Key: $KEY\"";
    match (operation.kind, operation.method) {
        (Kind::Job, _) => format!("curl '{server}{path}?token=...'"),
        (Kind::Enrich, _) => {
            let body = json!({ "items": [{ "url": "https://www.example.com/a" }] });
            format!("curl {key} --json '{body}' {server}{path}")
        }
        (_, Method::Get) => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in &needed {
                query.append_pair(name, value.as_str().unwrap_or(&value.to_string()));
            }
            let query = query.finish();
            if query.is_empty() {
                format!("curl {key} {server}{path}")
            } else {
                format!("curl {key} '{server}{path}?{query}'")
            }
        }
        (_, Method::Post) => format!("curl {key} --json '{}' {server}{path}", Value::Object(needed)),
    }
}

fn example_of(parameter: &Parameter) -> Value {
    match parameter.form {
        operations::Form::Number => json!(1001),
        operations::Form::Hash => json!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        operations::Form::Base64 => json!("aGVsbG8="),
        operations::Form::Flag => json!(false),
        operations::Form::List | operations::Form::Verdicts => json!(["malicious"]),
        operations::Form::Text => json!("https://www.example.com/a"),
    }
}

/// Returns our own words as markup, what stands between backticks as code.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| {
        // Escaping a text for HTML does not fail.
        let part = escape(part, Html).map(|part| part.to_string()).unwrap_or_default();
        if at % 2 == 1 { format!("<code>{part}</code>") } else { part }
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_backticks_is_code_and_the_rest_is_text() {
        assert_eq!(prose("a `b<c` & d"), "a <code>b&#60;c</code> &#38; d");
    }

    #[test]
    fn the_page_shows_every_field_at_the_address_of_its_reader() {
        let page = render("http://soc.example:8443").unwrap();
        assert!(!page.contains('`') && !page.contains("127.0.0.1"), "{page}");
        let fields = enrich_fields::OF_ITEM.iter().map(|field| format!("<code>items[].{}</code>", field.name));
        let options = enrich_fields::OPTIONS.iter().map(|field| format!("<code>{}</code>", field.name));
        for shown in fields.chain(options).chain(["/openapi-3.0.json".to_owned()]) {
            assert!(page.contains(&shown), "{shown}");
        }
        for operation in operations::all() {
            assert!(page.contains(&format!("http://soc.example:8443{}", operation.path)), "{}", operation.path);
        }
    }
}
