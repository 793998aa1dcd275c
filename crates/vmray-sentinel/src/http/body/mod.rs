//! Bodies, read in pieces: each piece must come in time, and all together must not be too many.

pub(super) mod files;
mod json_files;

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;

use super::problem::Problem;

/// How long the next piece of a body may take.
const PIECE_WITHIN: Duration = Duration::from_secs(20);
/// Largest body that holds no file.
pub(super) const PLAIN_BYTES: u64 = 1024 * 1024;

/// A body that is being read.
#[derive(Debug)]
pub(super) struct Pieces {
    stream: axum::body::BodyDataStream,
    left: u64,
    limit: u64,
}

impl Pieces {
    /// Begins to read a body of at most `limit` bytes.
    pub(super) fn of(body: Body, limit: u64) -> Self {
        Self { stream: body.into_data_stream(), left: limit, limit }
    }

    /// Returns the next piece; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        let next = tokio::time::timeout(PIECE_WITHIN, self.stream.next()).await.map_err(|_| Problem::too_slow())?;
        let Some(piece) = next.transpose().map_err(|_| Problem::bad_request("body", "broke off"))? else {
            return Ok(None);
        };
        let size = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(size).ok_or_else(|| Problem::too_large(self.limit))?;
        Ok(Some(piece))
    }
}

/// Reads a whole body.
pub(super) async fn whole(body: Body, limit: u64) -> Result<Bytes, Problem> {
    let mut pieces = Pieces::of(body, limit);
    let mut whole = BytesMut::new();
    while let Some(piece) = pieces.next().await? {
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}
