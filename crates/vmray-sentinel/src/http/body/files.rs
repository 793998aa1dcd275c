//! Bodies that hold files: JSON with base64, a form, or the file itself. Each file goes to disk while it comes in.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use bytes::Bytes;
use enrichment::functions::LARGEST_UPLOAD;
use enrichment::{MAX_ITEMS, Spool, SpoolError, SpoolRoom, SpooledFile};
use futures::stream;

use super::Pieces;
use super::json_files::{Malformed, Scanner, Step};
use crate::http::problem::Problem;

/// Largest text of a form.
const FIELD_BYTES: usize = 64 * 1024;
/// Texts of a form.
const FIELDS: usize = 500;

/// A JSON body without its files; where a file stood, its number stands.
#[derive(Debug)]
pub(in crate::http) struct Json {
    pub(in crate::http) skeleton: Vec<u8>,
    pub(in crate::http) files: Vec<Result<SpooledFile, FileProblem>>,
}

/// Why one of the files of a body cannot be used; the rest of the body can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum FileProblem {
    /// It has no content.
    Empty,
    /// It is not base64.
    NotBase64,
}

impl FileProblem {
    /// Returns what is wrong with it.
    pub(in crate::http) fn reason(self) -> &'static str {
        match self {
            Self::Empty => "is empty",
            Self::NotBase64 => "is not base64",
        }
    }
}

impl From<FileProblem> for Problem {
    fn from(problem: FileProblem) -> Self {
        Self::bad_request("file", problem.reason())
    }
}

/// A form.
#[derive(Debug, Default)]
pub(in crate::http) struct Form {
    /// Names and texts, in their order.
    pub(in crate::http) fields: Vec<(String, String)>,
    /// Names and contents of files.
    pub(in crate::http) files: Vec<(Option<String>, Result<SpooledFile, FileProblem>)>,
}

/// Starts to read a body that may hold files.
pub(in crate::http) fn pieces(body: Body) -> Pieces {
    Pieces::of(body, LARGEST_UPLOAD)
}

/// Reads JSON.
pub(in crate::http) async fn json(mut pieces: Pieces, room: &SpoolRoom) -> Result<Json, Problem> {
    let (mut scanner, mut steps) = (Scanner::default(), Vec::new());
    let mut open: Option<Spool> = None;
    let mut files = Vec::new();
    while let Some(piece) = pieces.next().await? {
        scanner.read(&piece, &mut steps).map_err(malformed)?;
        for step in steps.drain(..) {
            match step {
                Step::Begin if files.len() == MAX_ITEMS => return Err(too_many()),
                Step::Begin => open = Some(room.begin().await?),
                Step::Content(content) => {
                    if let Some(spool) = &mut open {
                        spool.write(&content).await?;
                    }
                }
                Step::Broken => open = None,
                Step::End => files.push(match open.take() {
                    Some(spool) => ended(spool).await?,
                    None => Err(FileProblem::NotBase64),
                }),
            }
        }
    }
    Ok(Json { skeleton: scanner.finish().map_err(malformed)?, files })
}

/// Reads `multipart/form-data`. A part with a file name, or named `file`, is a file.
pub(in crate::http) async fn form(pieces: Pieces, boundary: String, room: &SpoolRoom) -> Result<Form, Problem> {
    // What ends the stream early is a problem of ours, which the parser must not swallow.
    let ended: Arc<Mutex<Option<Problem>>> = Arc::default();
    let pieces = stream::unfold((pieces, Arc::clone(&ended)), |(mut pieces, ended)| async {
        let piece: Result<Bytes, std::io::Error> = match pieces.next().await {
            Ok(piece) => Ok(piece?),
            Err(problem) => {
                *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
                Err(std::io::Error::other("the body ended early"))
            }
        };
        Some((piece, (pieces, ended)))
    });
    let mut parts = multer::Multipart::new(pieces, boundary);
    let outcome = read_form(&mut parts, room).await;
    let ended = ended.lock().unwrap_or_else(PoisonError::into_inner).take();
    ended.map_or(outcome, Err)
}

async fn read_form(parts: &mut multer::Multipart<'_>, room: &SpoolRoom) -> Result<Form, Problem> {
    let mut form = Form::default();
    while let Some(mut part) = parts.next_field().await.map_err(|error| no_form(&error))? {
        let name = part.name().unwrap_or_default().to_owned();
        let file_name = part.file_name().map(str::to_owned);
        if file_name.is_some() || name == "file" {
            if form.files.len() == MAX_ITEMS {
                return Err(too_many());
            }
            let mut spool = room.begin().await?;
            while let Some(piece) = part.chunk().await.map_err(|error| no_form(&error))? {
                spool.write(&piece).await?;
            }
            form.files.push((file_name, ended(spool).await?));
        } else {
            let mut text = Vec::new();
            while let Some(piece) = part.chunk().await.map_err(|error| no_form(&error))? {
                text.extend_from_slice(&piece);
                if text.len() > FIELD_BYTES {
                    return Err(Problem::bad_request(&name, "is longer than 64 KiB"));
                }
            }
            let text = String::from_utf8(text).map_err(|_| Problem::bad_request(&name, "is not UTF-8"))?;
            if form.fields.len() == FIELDS {
                return Err(Problem::bad_request("body", format!("holds more than {FIELDS} fields")));
            }
            form.fields.push((name, text));
        }
    }
    Ok(form)
}

/// Reads a body that is a file.
pub(in crate::http) async fn raw(mut pieces: Pieces, room: &SpoolRoom) -> Result<SpooledFile, Problem> {
    let mut spool = room.begin().await?;
    while let Some(piece) = pieces.next().await? {
        spool.write(&piece).await?;
    }
    Ok(spool.finish().await?)
}

/// Ends a file. That it is empty is its own problem, that the disk is full is everybody's.
async fn ended(spool: Spool) -> Result<Result<SpooledFile, FileProblem>, Problem> {
    match spool.finish().await {
        Ok(file) => Ok(Ok(file)),
        Err(SpoolError::Empty) => Ok(Err(FileProblem::Empty)),
        Err(error) => Err(error.into()),
    }
}

fn malformed(error: Malformed) -> Problem {
    Problem::bad_request("body", error.to_string())
}

fn no_form(error: &multer::Error) -> Problem {
    Problem::bad_request("body", format!("is no form: {error}"))
}

fn too_many() -> Problem {
    Problem::bad_request("items", format!("hold more than {MAX_ITEMS} files"))
}

impl From<SpoolError> for Problem {
    fn from(error: SpoolError) -> Self {
        match error {
            SpoolError::TooLarge { max_bytes } => Self::too_large(max_bytes),
            SpoolError::Empty => Self::bad_request("file", "is empty"),
            SpoolError::Disk(_) => Self::disk(error.to_string()),
        }
    }
}
