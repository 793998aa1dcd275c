//! A connection whose writes must go on.
//!
//! A caller that never reads its answer fills the buffers on the way, and then our write waits for as long as the caller
//! likes. Here a write that waits has a deadline, and only what moves at a pace gets a new one: reading a byte now and then
//! is not reading.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// How long writing may stall.
pub(super) const WRITE_WITHIN: Duration = Duration::from_secs(20);
/// Bytes that must go in that time, where there are so many.
const WORTH_WAITING_FOR: usize = 32 * 1024;

/// The connection.
#[derive(Debug)]
pub(super) struct Moving<S> {
    stream: S,
    stalled: Option<Pin<Box<Sleep>>>,
    gone: usize,
}

impl<S> Moving<S> {
    /// Puts deadlines on the writes of a connection.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, stalled: None, gone: 0 }
    }

    /// Looks at what became of writing `of` bytes.
    fn watch(
        &mut self,
        written: Poll<io::Result<usize>>,
        of: usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(count)) => {
                self.gone = self.gone.saturating_add(*count);
                if *count == of || self.gone >= WORTH_WAITING_FOR {
                    self.stalled = None;
                    self.gone = 0;
                }
                written
            }
            Poll::Ready(Err(_)) => written,
            Poll::Pending => {
                let deadline = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_WITHIN)));
                let over = deadline.as_mut().poll(context);
                over.map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the caller does not read its answer")))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Moving<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Moving<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(written, bytes.len(), context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watch(written, parts.iter().map(|part| part.len()).sum(), context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
