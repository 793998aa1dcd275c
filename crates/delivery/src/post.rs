//! Sending objects past the outbox, for an enrichment: what is not accepted here is the feed's to send.
//!
//! Somebody waits for the enrichment, and the feed sends what is left over anyway. So nothing here waits for a turn:
//! where the pace of the minute is used up, or Sentinel asks to wait, the rest is left to the feed at once.

use std::time::Duration;

use bytes::Bytes;
use sentinel::{MAX_OBJECTS, UploadClient, UploadError};
use tracing::debug;

/// A turn that comes this soon is waited for.
const TURN_WITHIN: Duration = Duration::from_secs(1);
/// An upload that takes longer is left to the feed.
const UPLOAD_WITHIN: Duration = Duration::from_secs(20);

/// What became of objects.
#[derive(Debug, Default)]
pub struct Posted {
    /// Positions of those that Sentinel accepted, ascending.
    pub accepted: Vec<usize>,
    /// Why not all of them were: the first refusal or failure, in words.
    pub trouble: Option<String>,
}

/// Uploads objects, a hundred a request, for as long as it is our turn. Cancel-safe: what is repeated does no harm.
pub async fn post(client: &UploadClient, objects: &[Bytes]) -> Posted {
    let mut posted = Posted::default();
    let positions: Vec<usize> = (0..objects.len()).collect();
    let mut batches: Vec<Vec<usize>> = positions.chunks(MAX_OBJECTS).rev().map(<[usize]>::to_vec).collect();
    while let Some(mut batch) = batches.pop() {
        let wait = client.pacer().turn_in();
        if wait > TURN_WITHIN {
            let seconds = wait.as_secs().max(1);
            posted.trouble.get_or_insert_with(|| format!("the next upload may be made in {seconds} s"));
            break;
        }
        let content: Vec<Bytes> = batch.iter().filter_map(|at| objects.get(*at).cloned()).collect();
        let Ok(uploaded) = tokio::time::timeout(UPLOAD_WITHIN, client.upload(&content)).await else {
            let seconds = UPLOAD_WITHIN.as_secs();
            posted.trouble.get_or_insert_with(|| format!("Sentinel did not answer within {seconds} s"));
            break;
        };
        match uploaded {
            Ok(uploaded) => {
                for refusal in &uploaded.refused {
                    posted
                        .trouble
                        .get_or_insert_with(|| format!("Sentinel refused it: {}", refusal.messages.join("; ")));
                }
                let refused = |index| uploaded.refused.iter().any(|refusal| refusal.index == index);
                posted.accepted.extend(batch.iter().enumerate().filter(|(n, _)| !refused(*n)).map(|(_, at)| *at));
            }
            Err(UploadError::BadRequest { .. } | UploadError::TooLarge { .. }) if batch.len() > 1 => {
                let second = batch.split_off(batch.len() / 2);
                batches.push(second);
                batches.push(batch);
            }
            Err(error @ UploadError::BadRequest { .. }) => {
                posted.trouble.get_or_insert_with(|| error.to_string());
            }
            Err(error) => {
                debug!(%error, "left to the feed");
                posted.trouble.get_or_insert_with(|| error.to_string());
                break;
            }
        }
    }
    posted.accepted.sort_unstable();
    posted
}
