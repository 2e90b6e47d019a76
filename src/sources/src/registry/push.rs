//! An image on its way into a registry: the blobs that it does not have yet, then the manifest.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use oci_client::errors::OciDistributionError;
use stromatekt_oci::descriptor::{Descriptor, MediaType};
use stromatekt_oci::digest::Digest;
use stromatekt_oci::reference::ImageReference;
use tokio::fs::File;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use super::session::{Sessions, Target};
use super::{PushImage, PushIndex, Registry, failure};
use crate::error::{Error, Result};
use crate::network::SILENCE;

/// How many layers are sent at the same time.
const AT_ONCE: usize = 4;
/// How long a registry may take to store a blob that it has got: it may hash gigabytes, and copy them elsewhere.
const STORING: Duration = Duration::from_secs(15 * 60);
const CHUNK: usize = 256 << 10;

/// How far a blob of a push is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The registry has it already.
    Exists,
    /// So many bytes are sent. When an upload is tried again, the count starts anew.
    Sent(u64),
    /// It is stored.
    Done,
}

type Report = Arc<dyn Fn(&Descriptor, Progress) + Send + Sync>;

/// A layer to send.
struct Upload {
    sessions: Arc<Sessions>,
    target: Target,
    blob: Descriptor,
    path: PathBuf,
    report: Report,
}

/// How far the body of a request is read, told to whoever watches it.
#[derive(Default)]
struct Sent {
    bytes: AtomicU64,
    all: AtomicBool,
}

impl Registry {
    /// Pushes an image under its tag, and returns the digest of its manifest. Blobs that the registry has are not sent.
    ///
    /// # Errors
    /// When the name has no tag, or a digest; a file cannot be read or is not what its descriptor says; or the registry
    /// cannot be reached or refuses something.
    pub async fn push(&self, image: &ImageReference, push: &PushImage) -> Result<Digest> {
        let push = PushIndex {
            index: None,
            images: vec![push.clone()],
        };
        self.push_index(image, &push, false, |_, _| {}).await
    }

    /// Pushes images, and their index if there is one, under a tag or, `by_digest`, under none. Returns the digest of what has the tag.
    /// Blobs that the registry has are not sent; `report` hears how far the layers are.
    ///
    /// # Errors
    /// As those of [`Registry::push`].
    pub async fn push_index(
        &self,
        image: &ImageReference,
        push: &PushIndex,
        by_digest: bool,
        report: impl Fn(&Descriptor, Progress) + Send + Sync + 'static,
    ) -> Result<Digest> {
        let refuse = |reason| Error::PushName {
            image: image.familiar(),
            reason,
        };
        match (image.tag(), image.digest()) {
            (_, Some(_)) => return Err(refuse("a digest cannot be chosen")),
            (None, None) if !by_digest => return Err(refuse("it has no tag")),
            _ => {}
        }
        let target = Target::push(image);
        let report: Report = Arc::new(report);
        let mut last = None;
        for image in &push.images {
            self.push_layers(&target, image, Arc::clone(&report))
                .await?;
            self.push_config(&target, image).await?;
            let manifest = (&image.manifest[..], &image.manifest_type);
            // What an index lists has no name of its own.
            let unnamed = by_digest || push.index.is_some();
            last = Some(self.push_manifest(&target, manifest, unnamed).await?);
        }
        if let Some((index, media_type)) = &push.index {
            last = Some(
                self.push_manifest(&target, (index, media_type), by_digest)
                    .await?,
            );
        }
        last.ok_or_else(|| refuse("there is no image"))
    }

    async fn push_layers(&self, target: &Target, push: &PushImage, report: Report) -> Result<()> {
        let mut waiting: Vec<&(Descriptor, PathBuf)> = Vec::new();
        for layer in &push.layers {
            // Equal layers are one blob.
            if waiting
                .iter()
                .all(|(blob, _)| blob.digest != layer.0.digest)
            {
                waiting.push(layer);
            }
        }
        let mut waiting = waiting.into_iter();
        // Dropped with this future, which ends the tasks.
        let mut uploads = JoinSet::new();
        loop {
            while uploads.len() < AT_ONCE
                && let Some((blob, path)) = waiting.next()
            {
                let upload = Upload {
                    sessions: Arc::clone(&self.sessions),
                    target: target.clone(),
                    blob: blob.clone(),
                    path: path.clone(),
                    report: Arc::clone(&report),
                };
                uploads.spawn(upload.run());
            }
            match uploads.join_next().await {
                None => return Ok(()),
                Some(Ok(sent)) => sent?,
                Some(Err(error)) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // Nothing aborts one of them alone: the runtime ends.
                    Err(_) => return Ok(()),
                },
            }
        }
    }

    async fn push_config(&self, target: &Target, push: &PushImage) -> Result<()> {
        let attempt = format!("push the config of {}", target.image);
        let digest = Digest::of(&push.config);
        if self.sessions.has_blob(target, &digest).await? {
            return Ok(());
        }
        let content = Bytes::from(push.config.clone());
        let request = self
            .sessions
            .request(target, &attempt, Some(SILENCE), |client| {
                let (reference, content) = (target.reference.clone(), content.clone());
                async move {
                    client
                        .push_blob(&reference, content, &digest.to_string())
                        .await
                }
            });
        request
            .await
            .map(drop)
            .map_err(|error| no_repository(error, &attempt))
    }

    async fn push_manifest(
        &self,
        target: &Target,
        (manifest, media_type): (&[u8], &MediaType),
        by_digest: bool,
    ) -> Result<Digest> {
        let attempt = format!("push the manifest of {}", target.image);
        let digest = Digest::of(manifest);
        let target = match by_digest {
            true => target.at(digest.to_string()),
            false => target.clone(),
        };
        let content = Bytes::from(manifest.to_owned());
        let request = self
            .sessions
            .request(&target, &attempt, Some(SILENCE), |client| {
                let (reference, content) = (target.reference.clone(), content.clone());
                let media_type = media_type.as_str().parse();
                async move {
                    let media_type = media_type.map_err(|_| {
                        OciDistributionError::UnsupportedMediaTypeError("no HTTP header".to_owned())
                    })?;
                    client
                        .push_manifest_raw(&reference, content, media_type)
                        .await
                }
            });
        request
            .await
            .map(|_| digest)
            .map_err(|error| no_repository(error, &attempt))
    }
}

/// Some registries (AWS) make no repositories when something is pushed.
fn no_repository(error: Error, attempt: &str) -> Error {
    match error {
        Error::ImageNotFound { .. } => Error::Registry {
            attempt: attempt.to_owned(),
            status: Some(404),
            message: "it does not have the repository".to_owned(),
        },
        other => other,
    }
}

impl Sessions {
    async fn has_blob(&self, target: &Target, digest: &Digest) -> Result<bool> {
        let attempt = format!("ask for the blob {digest} of {}", target.image);
        let answer = self.request(target, &attempt, Some(SILENCE), |client| {
            let reference = target.reference.clone();
            let digest = digest.to_string();
            async move { client.blob_exists(&reference, &digest).await }
        });
        match answer.await {
            // Whether one may push is told by pushing.
            Err(Error::AccessDenied { .. } | Error::ImageNotFound { .. }) => Ok(false),
            other => other,
        }
    }
}

impl Upload {
    async fn run(self) -> Result<()> {
        if self
            .sessions
            .has_blob(&self.target, &self.blob.digest)
            .await?
        {
            (self.report)(&self.blob, Progress::Exists);
            return Ok(());
        }
        let size = tokio::fs::metadata(&self.path)
            .await
            .map_err(Error::file("read", &self.path))?
            .len();
        if size != self.blob.size {
            return Err(Error::Size {
                what: self.path.display().to_string(),
                expected: self.blob.size,
                found: size,
            });
        }
        let attempt = format!(
            "push the blob {} of {}",
            self.blob.digest, self.target.image
        );
        let request = self.sessions.request(&self.target, &attempt, None, |client| {
            let (reference, path) = (self.target.reference.clone(), self.path.clone());
            let (blob, report) = (self.blob.clone(), Arc::clone(&self.report));
            async move {
                let sent = Arc::new(Sent::default());
                let body = body(&path, blob.clone(), report, Arc::clone(&sent)).await?;
                let digest = blob.digest.to_string();
                tokio::select! {
                    pushed = client.push_blob_stream(&reference, body, &digest, Some(size)) => pushed,
                    () = sent.stalls() => Err(failure::silence()),
                }
            }
        });
        request
            .await
            .map_err(|error| no_repository(error, &attempt))?;
        (self.report)(&self.blob, Progress::Done);
        Ok(())
    }
}

impl Sent {
    /// Returns when nothing was sent for a while, or the registry does not answer after all was.
    async fn stalls(&self) {
        let mut before = None;
        loop {
            let now = self.bytes.load(Ordering::Relaxed);
            if before == Some(now) && !self.all.load(Ordering::Relaxed) {
                return;
            }
            before = Some(now);
            if self.all.load(Ordering::Relaxed) {
                tokio::time::sleep(STORING).await;
                return;
            }
            tokio::time::sleep(SILENCE).await;
        }
    }
}

/// The content of a file, in pieces.
async fn body(
    path: &Path,
    blob: Descriptor,
    report: Report,
    sent: Arc<Sent>,
) -> Result<
    impl Stream<Item = Result<Bytes, OciDistributionError>> + Send + 'static,
    OciDistributionError,
> {
    let file = File::open(path).await?;
    let first = (file, blob, report, sent);
    Ok(futures_util::stream::try_unfold(
        first,
        |(mut file, blob, report, sent)| async move {
            let mut chunk = BytesMut::with_capacity(CHUNK);
            let length = file.read_buf(&mut chunk).await?;
            if length == 0 {
                sent.all.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            let before = sent.bytes.fetch_add(length as u64, Ordering::Relaxed);
            let now = before + length as u64;
            if now == blob.size {
                sent.all.store(true, Ordering::Relaxed);
            }
            report(&blob, Progress::Sent(now));
            Ok(Some((chunk.freeze(), (file, blob, report, sent))))
        },
    ))
}
