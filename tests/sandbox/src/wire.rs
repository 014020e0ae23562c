//! The connection itself, for the faults that HTTP has no word for: a TCP reset, and a body that ends too early.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What is said about a connection that shall end with a reset.
#[derive(Clone, Debug, Default)]
pub(crate) struct Doom(Arc<AtomicBool>);

impl Doom {
    /// From now on the connection ends with a reset, and nothing more is written to it.
    pub(crate) fn seal(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn sealed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The reason that hyper is given for ending a connection without an answer.
#[derive(Debug)]
pub(crate) struct Ended(pub(crate) &'static str);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Ended {}

/// A TCP stream that can be made to end with a reset.
pub(crate) struct Wire {
    stream: TcpStream,
    doom: Doom,
}

impl Wire {
    pub(crate) const fn new(stream: TcpStream, doom: Doom) -> Self {
        Self { stream, doom }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.doom.sealed() {
            // With SO_LINGER at zero, closing sends RST in place of FIN. The peer may have gone already: then there is
            // nobody left to reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.doom.sealed() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.doom.sealed() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.doom.sealed() {
            // A shutdown would send the FIN that the reset replaces.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A body that ends with an error once these bytes are out.
pub(crate) struct Cut {
    bytes: Option<Bytes>,
    flushed: bool,
}

impl Cut {
    pub(crate) const fn new(bytes: Bytes) -> Self {
        Self { bytes: Some(bytes), flushed: false }
    }
}

impl http_body::Body for Cut {
    type Data = Bytes;
    type Error = Ended;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Ended>>> {
        if let Some(bytes) = self.bytes.take().filter(|bytes| !bytes.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if !self.flushed {
            // hyper flushes when a body has nothing to give, and drops what it holds when a body fails.
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(Ended("the body was cut short on demand"))))
    }
}
