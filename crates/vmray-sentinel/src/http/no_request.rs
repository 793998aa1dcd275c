//! What is no request of HTTP, and a head that is beyond every bound, refused in our own words.
//!
//! There is no request yet that a handler could answer, so hyper answers by itself: a status line, a date, no body. It says
//! so nowhere before it writes. So what it writes is looked at here, and its answer is replaced by a problem. An answer of
//! ours is never taken for one of hyper's: each of ours has the id of a request.
//!
//! What the caller still sends is then read for a moment and thrown away: a connection that is closed with unread bytes is
//! reset, and the reset takes the answer away from a caller who is still sending.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::problem::Problem;

/// Bytes of hyper's own answer, at the most: a status line, `content-length: 0`, `connection: close` and a date.
const BARE_BYTES: usize = 256;
/// How long a caller is read who is still sending.
const READ_ON: Duration = Duration::from_secs(1);

/// The connection.
#[derive(Debug)]
pub(super) struct Worded<S> {
    stream: S,
    /// Our words, as far as they are still to be written.
    words: BytesMut,
    /// Since hyper has refused: until when the caller is read.
    refused: Option<Pin<Box<Sleep>>>,
}

impl<S> Worded<S> {
    /// Watches what hyper writes.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, words: BytesMut::new(), refused: None }
    }

    /// Takes over a write that ends with hyper's own answer.
    fn takes(&mut self, bytes: &[u8]) -> bool {
        let Some((before, words)) = reworded(bytes) else { return false };
        self.words.extend_from_slice(before);
        self.words.extend_from_slice(words.as_bytes());
        self.refused = Some(Box::pin(tokio::time::sleep(READ_ON)));
        true
    }
}

impl<S: AsyncWrite + Unpin> Worded<S> {
    fn poll_words(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.words.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(context, &self.words))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.words.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

/// Returns what stands before hyper's own answer, and what to write instead of that.
fn reworded(bytes: &[u8]) -> Option<(&[u8], String)> {
    const BEGINNING: &[u8] = b"HTTP/1.";
    let from = bytes.len().saturating_sub(BARE_BYTES);
    let tail = bytes.get(from..)?;
    let at = from + tail.windows(BEGINNING.len()).rposition(|window| window == BEGINNING)?;
    let (before, answer) = bytes.split_at_checked(at)?;
    let mut lines = std::str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?.split("\r\n");
    let problem = match lines.next()?.split(' ').nth(1)? {
        "400" => Problem::no_request(),
        "414" | "431" => Problem::large_head(),
        _ => return None,
    };
    let mut date = "";
    for line in lines {
        match line.split_once(": ")? {
            ("date", when) => date = when,
            ("content-length", "0") | ("connection", "close") => {}
            _ => return None,
        }
    }
    Some((before, problem.raw(date)))
}

impl<S: AsyncRead + Unpin> AsyncRead for Worded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Worded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.takes(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A head is the first part, and its answer has no body.
        if let [part] = parts
            && self.takes(part)
        {
            return Poll::Ready(Ok(part.len()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_words(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_words(context))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        let Self { stream, refused: Some(end), .. } = &mut *self else { return Poll::Ready(Ok(())) };
        let mut bytes = [0; 8 * 1024];
        while end.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_ours_is_left_as_it_is() {
        let bare = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n";
        let (before, words) = reworded(bare.as_bytes()).unwrap();
        assert!(before.is_empty() && words.contains("\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"), "{words}");
        let after = format!("{{}}{bare}");
        assert_eq!(reworded(after.as_bytes()).unwrap().0, b"{}");
        for ours in [
            bare.replace("date:", "x-request-id: 1\r\ndate:"),
            bare.replace("400 Bad Request", "200 OK"),
            format!("{bare}\n"),
            bare.replace("\r\n\r\n", "\r\n"),
            String::new(),
        ] {
            assert!(reworded(ours.as_bytes()).is_none(), "{ours}");
        }
    }
}
