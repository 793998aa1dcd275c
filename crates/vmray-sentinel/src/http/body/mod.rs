//! Bodies, read in pieces: each must come in time, all together must keep a pace, and must not be too many.

pub(super) mod files;
mod json_files;

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use tokio::time::Instant;

use super::problem::Problem;

/// How long the next piece of a body may take.
const PIECE_WITHIN: Duration = Duration::from_secs(20);
/// How long a whole body may take, whatever its size,
const BODY_WITHIN: Duration = Duration::from_secs(60);
/// and how slowly what comes after that may come: half a megabit a second.
const SLOWEST_BYTES_PER_SECOND: u64 = 64 * 1024;
/// Blanks before the first byte that says what a body is.
const BLANK_BYTES: usize = 1024;
/// Largest body that holds no file.
pub(super) const PLAIN_BYTES: u64 = 1024 * 1024;

/// A body that is being read.
#[derive(Debug)]
pub(super) struct Pieces {
    stream: axum::body::BodyDataStream,
    first: Option<Bytes>,
    began: Instant,
    taken: u64,
    limit: u64,
}

impl Pieces {
    /// Starts to read a body of at most `limit` bytes.
    pub(super) fn of(body: Body, limit: u64) -> Self {
        Self { stream: body.into_data_stream(), first: None, began: Instant::now(), taken: 0, limit }
    }

    /// Returns the next piece; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        if let Some(first) = self.first.take() {
            return if self.taken > self.limit { Err(Problem::too_large(self.limit)) } else { Ok(Some(first)) };
        }
        let whole = BODY_WITHIN + Duration::from_secs(self.taken / SLOWEST_BYTES_PER_SECOND);
        let deadline = (self.began + whole).min(Instant::now() + PIECE_WITHIN);
        let next = tokio::time::timeout_at(deadline, self.stream.next()).await.map_err(|_| Problem::too_slow())?;
        let Some(piece) = next.transpose().map_err(|_| Problem::bad_request("body", "broke off"))? else {
            return Ok(None);
        };
        self.taken = self.taken.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if self.taken > self.limit {
            return Err(Problem::too_large(self.limit));
        }
        Ok(Some(piece))
    }

    /// Returns the first byte that is not blank, without taking it.
    pub(super) async fn peek(&mut self) -> Result<Option<u8>, Problem> {
        let mut blank = BytesMut::new();
        while let Some(piece) = self.next().await? {
            let found = piece.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
            blank.extend_from_slice(&piece);
            if found.is_some() || blank.len() > BLANK_BYTES {
                self.first = Some(blank.freeze());
                return Ok(found);
            }
        }
        Ok(None)
    }
}

/// Reads a whole body.
pub(super) async fn whole(body: Body, limit: u64) -> Result<Bytes, Problem> {
    rest(Pieces::of(body, limit), limit).await
}

/// Reads what is left of a body, if all of it has at most `limit` bytes.
pub(super) async fn rest(mut pieces: Pieces, limit: u64) -> Result<Bytes, Problem> {
    pieces.limit = pieces.limit.min(limit);
    let mut whole = BytesMut::new();
    while let Some(piece) = pieces.next().await? {
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}
