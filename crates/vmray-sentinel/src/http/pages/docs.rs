//! `/docs`: the API for people, without a script.

use askama::Template;

use crate::http::operations::{self, Kind, Method, Operation};

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsPage {
    version: &'static str,
    routes: Vec<Route>,
}

/// All methods of one path.
struct Route {
    path: String,
    methods: String,
    summary: &'static str,
    answer: &'static str,
    scope: String,
    parameters: Vec<Parameter>,
    statuses: Vec<Status>,
    example: String,
}

struct Parameter {
    name: &'static str,
    needed: &'static str,
    form: &'static str,
    doc: &'static str,
}

struct Status {
    code: u16,
    when: &'static str,
}

/// Writes the page.
pub(super) fn render() -> askama::Result<String> {
    let mut routes: Vec<Route> = Vec::new();
    for operation in operations::all() {
        match routes.last_mut().filter(|last| last.path == operation.path) {
            Some(same) => {
                same.methods = format!("{}, {}", same.methods, operation.method.as_str().to_uppercase());
                same.example = example(&operation);
            }
            None => routes.push(described(&operation)),
        }
    }
    DocsPage { version: env!("CARGO_PKG_VERSION"), routes }.render()
}

fn described(operation: &Operation) -> Route {
    Route {
        path: operation.path.clone(),
        methods: operation.method.as_str().to_uppercase(),
        summary: operation.summary,
        answer: operation.answer,
        scope: operation.scope.map_or_else(|| "none".to_owned(), |scope| scope.to_string()),
        parameters: operation
            .parameters
            .iter()
            .map(|parameter| Parameter {
                name: parameter.name,
                needed: if parameter.required { "needed" } else { "" },
                form: operations::in_words(parameter.form),
                doc: parameter.doc,
            })
            .collect(),
        statuses: operation
            .refusals()
            .into_iter()
            .map(|status| Status { code: status.code, when: status.when })
            .collect(),
        example: example(operation),
    }
}

fn example(operation: &Operation) -> String {
    let key = "-H \"X-Functions-Key: $KEY\"";
    let path = &operation.path;
    match operation.method {
        Method::Get => format!("curl {key} http://127.0.0.1:8080{path}"),
        Method::Post if operation.kind == Kind::Enrich => {
            format!(
                "curl {key} --json '{{\"items\": [{{\"url\": \"www.example.com/a\"}}]}}' http://127.0.0.1:8080{path}"
            )
        }
        Method::Post => {
            let needed = operation.parameters.iter().filter(|parameter| parameter.required);
            let fields: Vec<String> = needed.map(|parameter| format!("\"{}\": \"...\"", parameter.name)).collect();
            format!("curl {key} --json '{{{}}}' http://127.0.0.1:8080{path}", fields.join(", "))
        }
    }
}
