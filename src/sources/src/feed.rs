//! Bytes that an asynchronous task fetches and a thread reads.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// How many chunks may wait for the reader: enough to bridge its pauses, few enough to hold a fast server back.
const WAITING: usize = 32;

/// A reader of what is still being fetched. It must be read outside of asynchronous tasks, since it waits.
///
/// A failure of the fetch is an [`io::Error`] around an [`Error`](crate::Error). The fetch ends when this is dropped.
#[derive(Debug)]
pub struct Feed {
    chunks: mpsc::Receiver<io::Result<Chunk>>,
    current: Bytes,
    ended: bool,
    task: Arc<Task>,
}

/// Ends the fetch of a [`Feed`], whose reader then gets an error at once. May be used from anywhere.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<Task>);

#[derive(Debug)]
struct Task(AbortHandle);

/// A task that ended without saying so failed: the end is told.
#[derive(Debug)]
enum Chunk {
    Data(Bytes),
    End,
}

/// The side of the task that fetches.
pub(crate) struct Feeder(mpsc::Sender<io::Result<Chunk>>);

impl Feed {
    /// Starts `fetch` as a task of the current runtime.
    pub(crate) fn start<F: Future<Output = ()> + Send + 'static>(
        fetch: impl FnOnce(Feeder) -> F,
    ) -> Self {
        let (sender, chunks) = mpsc::channel(WAITING);
        let task = tokio::spawn(fetch(Feeder(sender)));
        Self {
            chunks,
            current: Bytes::new(),
            ended: false,
            task: Arc::new(Task(task.abort_handle())),
        }
    }

    /// What ends the fetch from elsewhere, while a thread waits in [`Read::read`].
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.task))
    }
}

impl Stopper {
    /// Ends the fetch.
    pub fn stop(&self) {
        self.0.0.abort();
    }
}

impl Feeder {
    /// Hands a chunk to the reader. False if there is no reader any more.
    pub async fn data(&self, bytes: Bytes) -> bool {
        self.0.send(Ok(Chunk::Data(bytes))).await.is_ok()
    }

    /// Tells the reader that everything is there.
    pub async fn end(self) {
        // Without a reader nobody needs to know.
        let _ = self.0.send(Ok(Chunk::End)).await;
    }

    /// Tells the reader why there will be no more.
    pub async fn fail(self, error: crate::Error) {
        let _ = self.0.send(Err(io::Error::other(error))).await;
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.chunks.blocking_recv() {
                Some(Ok(Chunk::Data(bytes))) => self.current = bytes,
                Some(Ok(Chunk::End)) => self.ended = true,
                Some(Err(error)) => return Err(error),
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::ConnectionAborted,
                        "the download was stopped",
                    ));
                }
            }
        }
        let length = self.current.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.current.split_to(length));
        Ok(length)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(feed: Feed) -> io::Result<Vec<u8>> {
        tokio::task::spawn_blocking(move || {
            let mut feed = feed;
            let mut bytes = Vec::new();
            feed.read_to_end(&mut bytes).map(|_| bytes)
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn the_reader_gets_all_chunks_in_order() {
        let feed = Feed::start(|feeder| async move {
            for n in 0..100_u8 {
                assert!(feeder.data(Bytes::from(vec![n; 3])).await);
            }
            feeder.end().await;
        });
        let wanted: Vec<u8> = (0..100).flat_map(|n| [n; 3]).collect();
        assert_eq!(read(feed).await.unwrap(), wanted);
    }

    #[tokio::test]
    async fn a_fetch_that_ends_early_is_an_error() {
        let feed = Feed::start(|feeder| async move {
            feeder.data(Bytes::from_static(b"part")).await;
        });
        let error = read(feed).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn a_stopped_fetch_frees_a_waiting_reader() {
        let feed = Feed::start(|feeder| async move {
            std::future::pending::<()>().await;
            feeder.end().await;
        });
        let stopper = feed.stopper();
        let reader = tokio::spawn(read(feed));
        stopper.stop();
        assert!(reader.await.unwrap().is_err());
    }
}
