//! Reads what an answer left of its request's body.
//!
//! The host hands a body on with a client that fails when the connection closes while it still writes, and then tells
//! its caller 500 instead of what we answered. So a request that is refused early is read to its end first.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures::{Stream, StreamExt as _};
use tokio::sync::oneshot;

/// The most that the host hands on, 104,857,600 bytes by default, and some more.
const MOST_BYTES: usize = 128 << 20;
/// Loopback is quick; a caller that sends slowly is not waited for for ever.
const MOST_TIME: Duration = Duration::from_secs(60);

/// Lets the rest of the request read the body, and reads what is left of it before the answer goes out.
pub(super) async fn read(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (hand_back, mut left) = oneshot::channel();
    let handed = Lent { body: Some(body.into_data_stream()), hand_back: Some(hand_back) };
    let answer = next.run(Request::from_parts(parts, Body::from_stream(handed))).await;
    if let Ok(body) = left.try_recv() {
        // The answer stands, whether or not the rest could be read.
        drop(tokio::time::timeout(MOST_TIME, discard(body)).await);
    }
    answer
}

async fn discard(mut body: BodyDataStream) {
    let mut room = MOST_BYTES;
    while let Some(Ok(part)) = body.next().await {
        match room.checked_sub(part.len()) {
            Some(rest) => room = rest,
            None => return,
        }
    }
}

/// A body that goes back to its lender when the borrower is done with it.
struct Lent {
    body: Option<BodyDataStream>,
    hand_back: Option<oneshot::Sender<BodyDataStream>>,
}

impl Stream for Lent {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.body {
            Some(body) => body.poll_next_unpin(context),
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(body), Some(hand_back)) = (self.body.take(), self.hand_back.take()) {
            // Nobody waits for it when the request itself is gone.
            drop(hand_back.send(body));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::http::StatusCode;
    use axum::{Router, middleware};
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_body_that_nobody_wanted_is_read_to_its_end_before_the_answer() {
        let taken = Arc::new(AtomicUsize::new(0));
        let count = taken.clone();
        let parts = futures::stream::iter(0..1000).map(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from_static(b"0123456789"))
        });
        let router = Router::new().fallback(|| async { StatusCode::NOT_FOUND }).layer(middleware::from_fn(read));
        let request = Request::post("/api/Nothing").body(Body::from_stream(parts)).unwrap();
        assert_eq!(router.oneshot(request).await.unwrap().status(), StatusCode::NOT_FOUND);
        assert_eq!(taken.load(Ordering::Relaxed), 1000);
    }

    #[tokio::test]
    async fn a_body_without_end_is_not_read_for_ever() {
        let part = Bytes::from(vec![0; 1 << 20]);
        let parts = futures::stream::repeat_with(move || Ok::<_, std::io::Error>(part.clone()));
        let router = Router::new().fallback(|| async { StatusCode::NOT_FOUND }).layer(middleware::from_fn(read));
        let request = Request::post("/api/Nothing").body(Body::from_stream(parts)).unwrap();
        assert_eq!(router.oneshot(request).await.unwrap().status(), StatusCode::NOT_FOUND);
    }
}
