//! Sending objects past the outbox, for an enrichment: what is not accepted here is the feed's to send.

use bytes::Bytes;
use sentinel::{MAX_OBJECTS, UploadClient, UploadError};
use tracing::debug;

/// What became of objects.
#[derive(Debug, Default)]
pub struct Posted {
    /// Positions of those that Sentinel accepted, ascending.
    pub accepted: Vec<usize>,
    /// Why not all of them were: the first refusal or failure, in words.
    pub trouble: Option<String>,
}

/// Uploads objects, a hundred a request. Cancel-safe: what is repeated does no harm.
pub async fn post(client: &UploadClient, objects: &[Bytes]) -> Posted {
    let mut posted = Posted::default();
    let positions: Vec<usize> = (0..objects.len()).collect();
    let mut batches: Vec<Vec<usize>> = positions.chunks(MAX_OBJECTS).rev().map(<[usize]>::to_vec).collect();
    while let Some(mut batch) = batches.pop() {
        let content: Vec<Bytes> = batch.iter().filter_map(|at| objects.get(*at).cloned()).collect();
        match client.upload(&content).await {
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
