//! VMRay's replies with one part of them rewritten: a field that is missing, null, of another type, or an unknown word.
//!
//! Servers of other versions, proxies and VMRay's own bugs write what no documentation names. [`Rewriting`] stands
//! between a client and the simulator. It notes every field of every reply that goes by ([`Site`]), so that a test can
//! ask for each of them to be rewritten, one at a time ([`Rewrite`]).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use outbound::{Request, Response, Transport, TransportError};
use serde_json::{Value, json};

/// A field of the replies of one endpoint: `GET /rest/sample/{}/iocs` and `data/iocs/domains/[]/verdict`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    /// Method and path, with `{}` for ids and hashes.
    pub endpoint: String,
    /// The way to the field, with `[]` for the elements of a list.
    pub field: String,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.endpoint, self.field)
    }
}

/// What stands where a value was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Odd {
    /// Nothing: the field is missing.
    Missing,
    /// `null`.
    Null,
    /// A switch.
    Bool,
    /// A number without sense.
    Number,
    /// A text without sense, or a word that nobody knows.
    Word,
    /// A text of nothing.
    Empty,
    /// A list.
    List,
    /// An object.
    Object,
}

impl Odd {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Missing, Self::Null, Self::Bool, Self::Number, Self::Word, Self::Empty, Self::List, Self::Object];

    fn value(self) -> Value {
        match self {
            Self::Missing | Self::Null => Value::Null,
            Self::Bool => json!(true),
            Self::Number => json!(-7.5),
            Self::Word => json!("frobnicated"),
            Self::Empty => json!(""),
            Self::List => json!([7, null]),
            Self::Object => json!({"odd": 7}),
        }
    }
}

/// One thing to rewrite: the same in each reply to the same question (path and query).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// The field.
    pub site: Site,
    /// Which of the values there, counted from 0 and around.
    pub nth: usize,
    /// What it becomes.
    pub odd: Odd,
}

/// A transport that rewrites what the one behind it answers.
#[derive(Debug)]
pub struct Rewriting {
    inner: Arc<dyn Transport>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    rewrite: Option<Rewrite>,
    /// The first question to the endpoint that held the field: only its replies are rewritten.
    path: Option<String>,
    /// The elements of lists that were rewritten, as they were.
    touched: BTreeMap<String, Option<Value>>,
    sites: BTreeSet<Site>,
}

impl Rewriting {
    /// Stands before a service.
    pub fn of(inner: Arc<dyn Transport>) -> Self {
        Self { inner, state: Mutex::default() }
    }

    /// Rewrites from now on; `None` rewrites nothing.
    pub fn rewrite(&self, rewrite: Option<Rewrite>) {
        let mut state = self.lock();
        state.rewrite = rewrite;
        state.path = None;
    }

    /// Returns every field that went by.
    pub fn sites(&self) -> BTreeSet<Site> {
        self.lock().sites.clone()
    }

    /// Returns the questions (path and query) whose replies were rewritten, each with the element of a list that held the field, as it
    /// was, or none if the field stands outside of all lists.
    pub fn touched(&self) -> BTreeMap<String, Option<Value>> {
        self.lock().touched.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, endpoint: &str, path: &str, body: &Bytes) -> Option<Bytes> {
        let mut reply: Value = serde_json::from_slice(body).ok()?;
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        walk(&reply, "", "", &mut places);
        let mut state = self.lock();
        let sites = places.keys().map(|field| Site { endpoint: endpoint.to_owned(), field: field.clone() });
        state.sites.extend(sites);
        let Rewrite { site, nth, odd } = state.rewrite.clone()?;
        if site.endpoint != endpoint || state.path.as_ref().is_some_and(|first| first != path) {
            return None;
        }
        let places = places.get(&site.field)?;
        let place = places.get(nth % places.len().max(1))?;
        let element = element(&reply, place);
        if !replace(&mut reply, place, odd) {
            return None;
        }
        state.path = Some(path.to_owned());
        state.touched.insert(path.to_owned(), element);
        serde_json::to_vec(&reply).ok().map(Bytes::from)
    }
}

#[async_trait]
impl Transport for Rewriting {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let endpoint = format!("{} {}", request.method(), generic(request.uri().path()));
        let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
        let (mut head, body) = self.inner.send(request).await?.into_parts();
        Ok(match self.read(&endpoint, &path, &body) {
            Some(rewritten) => {
                head.headers.remove(http::header::CONTENT_LENGTH);
                Response::from_parts(head, rewritten)
            }
            None => Response::from_parts(head, body),
        })
    }
}

/// Returns a path with `{}` for what is an id or a hash.
fn generic(path: &str) -> String {
    let is_id = |part: &str| {
        !part.is_empty()
            && (part.bytes().all(|byte| byte.is_ascii_digit())
                || part.len() >= 32 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    path.split('/').map(|part| if is_id(part) { "{}" } else { part }).collect::<Vec<_>>().join("/")
}

/// Notes the pointers (RFC 6901) of all values by the way to them.
fn walk(value: &Value, field: &str, pointer: &str, places: &mut BTreeMap<String, Vec<String>>) {
    if !pointer.is_empty() {
        places.entry(field.to_owned()).or_default().push(pointer.to_owned());
    }
    let below = |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}/{name}") };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let key = name.replace('~', "~0").replace('/', "~1");
                walk(value, &below(name), &format!("{pointer}/{key}"), places);
            }
        }
        Value::Array(elements) => {
            for (at, value) in elements.iter().enumerate() {
                walk(value, &below("[]"), &format!("{pointer}/{at}"), places);
            }
        }
        _ => {}
    }
}

/// Returns the outermost element of a list on the way to a value.
fn element(reply: &Value, pointer: &str) -> Option<Value> {
    let mut way = String::new();
    let mut value = reply;
    for part in pointer.split('/').skip(1) {
        let is_list = value.is_array();
        way.push('/');
        way.push_str(part);
        value = reply.pointer(&way)?;
        if is_list {
            return Some(value.clone());
        }
    }
    None
}

fn replace(reply: &mut Value, pointer: &str, odd: Odd) -> bool {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return false };
    let key = key.replace("~1", "/").replace("~0", "~");
    let value = odd.value();
    match reply.pointer_mut(parent) {
        Some(Value::Object(fields)) if odd == Odd::Missing => fields.remove(&key).is_some(),
        Some(Value::Object(fields)) => fields.insert(key, value).is_some(),
        Some(Value::Array(elements)) => {
            let Some(at) = key.parse::<usize>().ok().filter(|at| *at < elements.len()) else { return false };
            if odd == Odd::Missing {
                elements.remove(at);
            } else if let Some(place) = elements.get_mut(at) {
                *place = value;
            }
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Echo;

    #[async_trait]
    impl Transport for Echo {
        async fn send(&self, request: Request) -> Result<Response, TransportError> {
            Ok(Response::new(request.into_body()))
        }
    }

    async fn ask(rewriting: &Rewriting, path: &str, body: &Value) -> Value {
        let request = http::Request::get(format!("https://a.test{path}")).body(body.to_string().into()).unwrap();
        serde_json::from_slice(rewriting.send(request).await.unwrap().body()).unwrap()
    }

    #[tokio::test]
    async fn one_value_of_the_reply_to_one_question_is_rewritten_and_its_element_is_told() {
        let rewriting = Rewriting::of(Arc::new(Echo));
        let body = json!({"data": [{"id": 1, "a/b": {"c": "x"}}, {"id": 2, "a/b": {"c": "y"}}]});
        assert_eq!(ask(&rewriting, "/rest/sample/5", &body).await, body);
        let sites = rewriting.sites();
        let fields: Vec<&str> = sites.iter().map(|site| site.field.as_str()).collect();
        assert_eq!(fields, ["data", "data/[]", "data/[]/a/b", "data/[]/a/b/c", "data/[]/id"]);
        let site = Site { endpoint: "GET /rest/sample/{}".to_owned(), field: "data/[]/a/b/c".to_owned() };
        assert!(sites.contains(&site));
        rewriting.rewrite(Some(Rewrite { site: site.clone(), nth: 3, odd: Odd::Null }));
        let mut expected = body.clone();
        expected["data"][1]["a/b"]["c"] = Value::Null;
        assert_eq!(ask(&rewriting, "/rest/sample/5", &body).await, expected);
        assert_eq!(ask(&rewriting, "/rest/sample/6", &body).await, body, "another path is left alone");
        assert_eq!(rewriting.touched()["/rest/sample/5"].as_ref().unwrap()["id"], 2);
        rewriting.rewrite(Some(Rewrite { site, nth: 0, odd: Odd::Missing }));
        assert_eq!(ask(&rewriting, "/rest/sample/6", &body).await["data"][0], json!({"id": 1, "a/b": {}}));
    }
}
