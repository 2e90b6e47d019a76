//! A blob on its way: resumed where the connection breaks, and verified.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use oci_client::client::{BlobResponse, LayerDescriptor};
use stromatekt_oci::descriptor::Descriptor;
use stromatekt_oci::digest::HashingWriter;
use stromatekt_oci::reference::ImageReference;
use tokio::time::timeout;

use super::session::{Sessions, Target};
use super::{Registry, failure};
use crate::error::{Error, Result};
use crate::feed::Feed;
use crate::network::{self, SILENCE};
use crate::retry::Retry;

/// A blob that is being fetched.
pub(super) struct Download {
    sessions: Arc<Sessions>,
    target: Target,
    blob: Descriptor,
    attempt: String,
    stream: BoxStream<'static, io::Result<Bytes>>,
    /// Bytes at the start of the stream that were handed out already.
    skip: u64,
    retry: Retry,
    hash: HashingWriter<io::Sink>,
}

impl Registry {
    /// Fetches a blob of an image: the reader yields exactly the bytes that the descriptor promises, or an error.
    ///
    /// The error comes at the latest instead of the end: what was read before the end is not verified yet.
    ///
    /// # Errors
    /// When the registry does not have the blob or cannot be reached. Later failures are errors of the reader.
    pub async fn blob_reader(&self, image: &ImageReference, blob: &Descriptor) -> Result<Feed> {
        let sessions = Arc::clone(&self.sessions);
        let mut download = Download::start(sessions, Target::pull(image), blob.clone()).await?;
        Ok(Feed::start(|feeder| async move {
            loop {
                match download.next().await {
                    Ok(Some(bytes)) => {
                        if !feeder.data(bytes).await {
                            return;
                        }
                    }
                    Ok(None) => return feeder.end().await,
                    Err(error) => return feeder.fail(error).await,
                }
            }
        }))
    }
}

impl Download {
    pub async fn start(sessions: Arc<Sessions>, target: Target, blob: Descriptor) -> Result<Self> {
        let attempt = format!("fetch the blob {} of {}", blob.digest, target.image);
        let mut download = Self {
            sessions,
            target,
            blob,
            attempt,
            stream: futures_util::stream::empty().boxed(),
            skip: 0,
            retry: Retry::default(),
            hash: HashingWriter::new(io::sink()),
        };
        // A part of nothing cannot be asked for.
        if download.blob.size > 0 {
            download.connect().await?;
        }
        Ok(download)
    }

    /// The next bytes; nothing when all are there and have the right digest.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let error = match timeout(SILENCE, self.stream.next()).await {
                Ok(Some(Ok(bytes))) => match self.fresh(bytes) {
                    Some(bytes) => return self.take(bytes).map(Some),
                    None => continue,
                },
                Ok(None) if self.hash.count() == self.blob.size => return self.verify(),
                Ok(None) => {
                    failure::io_error(io::ErrorKind::UnexpectedEof.into(), &self.attempt).await
                }
                Ok(Some(Err(error))) => failure::io_error(error, &self.attempt).await,
                Err(_) => network::silence(&self.attempt),
            };
            if !error.is_passing() || !self.retry.again().await {
                return Err(error);
            }
            tracing::debug!(%error, at = self.hash.count(), "resuming");
            self.connect().await?;
        }
    }

    /// Asks for what is still missing. The first time, too, is asked for a part: the client would hash a whole by itself, and
    /// what is resumed has to be hashed here.
    async fn connect(&mut self) -> Result<()> {
        let done = self.hash.count();
        let urls = Some(self.blob.urls.clone()).filter(|urls| !urls.is_empty());
        let answer = self
            .sessions
            .request(&self.target, &self.attempt, Some(SILENCE), |client| {
                let (reference, urls) = (self.target.reference.clone(), urls.clone());
                let digest = self.blob.digest.to_string();
                async move {
                    let layer = LayerDescriptor {
                        digest: &digest,
                        urls: &urls,
                    };
                    client
                        .pull_blob_stream_partial(&reference, &layer, done, None)
                        .await
                }
            })
            .await;
        let answer = answer.map_err(|error| match error {
            Error::ImageNotFound { .. } => Error::Registry {
                attempt: self.attempt.clone(),
                status: Some(404),
                message: "it does not have it".to_owned(),
            },
            other => other,
        })?;
        (self.stream, self.skip) = match answer {
            BlobResponse::Partial(stream) => (stream.stream, 0),
            BlobResponse::Full(stream) => (stream.stream, done),
        };
        Ok(())
    }

    /// What of these bytes was not handed out yet.
    fn fresh(&mut self, mut bytes: Bytes) -> Option<Bytes> {
        let known = usize::try_from(self.skip).map_or(bytes.len(), |skip| skip.min(bytes.len()));
        self.skip -= known as u64;
        let fresh = bytes.split_off(known);
        (!fresh.is_empty()).then_some(fresh)
    }

    fn take(&mut self, bytes: Bytes) -> Result<Bytes> {
        self.retry.reset();
        // Hashing into nothing does not fail.
        let _ = self.hash.write_all(&bytes);
        if self.hash.count() > self.blob.size {
            return Err(Error::Size {
                what: self.what(),
                expected: self.blob.size,
                found: self.hash.count(),
            });
        }
        Ok(bytes)
    }

    fn verify(&mut self) -> Result<Option<Bytes>> {
        let hash = std::mem::replace(&mut self.hash, HashingWriter::new(io::sink()));
        let (_, digest, _) = hash.finish();
        match digest == self.blob.digest {
            true => Ok(None),
            false => Err(Error::Checksum {
                what: self.what(),
                expected: self.blob.digest.to_string(),
                found: digest.to_string(),
            }),
        }
    }

    fn what(&self) -> String {
        format!("the blob {} of {}", self.blob.digest, self.target.image)
    }
}
