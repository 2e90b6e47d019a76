//! The layers of images become trees: each chain of layers once, fetched, hashed, stored and unpacked in one pass.
//!
//! Nothing is kept before all of an image is sound: its blobs stay temporary files and its trees drafts until then.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use stromatekt_graph::NodeId;
use stromatekt_graph::op::Image;
use stromatekt_kernel::direct::DirectWriter;
use stromatekt_kernel::reflink;
use stromatekt_oci::Digest;
use stromatekt_oci::descriptor::Descriptor;
use stromatekt_oci::unpack::{AppliedLayer, apply_layer};
use stromatekt_sources::Feed;
use stromatekt_store::TreeId;
use stromatekt_store::blobs::LayerBlob;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::build::Build;
use crate::engine::Parts;
use crate::error::{Error, Result};
use crate::events::{Outcome, Vertex};
use crate::images::{BaseImage, BaseLayer, Origin, chain_ids};
use crate::limits::{blocking, until_cancelled};
use crate::request::LayerCompression;
use crate::snapshots::{Draft, Tree};

impl Build {
    /// The image of an `Image` node.
    pub async fn image(&self, id: NodeId, image: &Image) -> Result<Arc<BaseImage>> {
        let (location, platform) = (&image.source, &image.platform);
        let (pull, events) = (self.request.pull, &self.events);
        let image = self
            .parts
            .resolve(location, platform, pull, events, &self.cancel)
            .await?;
        // Told before the steps on top of it, which may all be cached.
        if !self.only_looks() && self.parts.snapshots.find(image.tree_id())?.is_some() {
            self.image_tree(&image, id).await?;
        }
        Ok(image)
    }

    /// The tree of the image of a node; none if it has no layers.
    pub async fn image_tree(&self, image: &Arc<BaseImage>, id: NodeId) -> Result<Option<Tree>> {
        let tree = image
            .tree
            .get_or_try_init(|| async {
                let vertex = self.vertex(id);
                self.start(id);
                let mut found = self.parts.unpack(image, vertex, &self.cancel).await;
                if found.is_ok()
                    && let Err(error) = self.parts.remember(image, vertex, &self.cancel).await
                {
                    found = Err(error);
                }
                let outcome = match &found {
                    Ok((_, true)) => Outcome::Cached,
                    _ => Outcome::Done,
                };
                self.complete(id, &found, outcome);
                found.map(|(tree, _)| tree)
            })
            .await?;
        Ok(tree.clone())
    }
}

/// A layer's blob on its way into the store.
struct Blob {
    /// The temporary file that it is in; none if the store has it already.
    file: Option<PathBuf>,
    digest: Digest,
    size: u64,
    layer: LayerBlob,
}

impl Parts {
    /// The tree of an image, unpacked as far as it is not yet; and whether it was there.
    pub async fn unpack(
        self: &Arc<Self>,
        image: &Arc<BaseImage>,
        vertex: &Vertex,
        cancel: &CancellationToken,
    ) -> Result<(Option<Tree>, bool)> {
        let chain = chain_ids(image.layers.iter().map(|layer| layer.diff_id));
        // The highest tree that is there.
        let mut below = None;
        let mut first = 0;
        for (position, id) in chain.iter().enumerate().rev() {
            if let Some(tree) = self.snapshots.find(TreeId(*id))? {
                below = Some(tree);
                first = position + 1;
                break;
            }
        }
        if first == chain.len() {
            return Ok((below, true));
        }
        let missing = &image.layers[first..];
        let packed_bytes = missing
            .iter()
            .filter_map(|layer| layer.blob.as_ref())
            .map(|blob| blob.size)
            .sum();
        self.snapshots.ensure_space(packed_bytes)?;
        // While the first layer is unpacked, the others come.
        let mut downloads =
            self.download(image, missing.get(1..).unwrap_or_default(), vertex, cancel)?;
        let mut drafts: Vec<Draft> = Vec::new();
        let mut blobs = Vec::new();
        for (layer, &chain_id) in missing.iter().zip(&chain[first..]) {
            let draft = match drafts.last() {
                Some(draft) => draft.fork()?,
                None => self.snapshots.fork(below.as_ref())?,
            };
            let download = downloads
                .iter()
                .position(|(wanted, _)| *wanted == layer.diff_id)
                .map(|position| downloads.swap_remove(position).1);
            tracing::debug!(%chain_id, diff_id = %layer.diff_id, "unpacking");
            let (draft, blob) = self
                .unpack_layer(image, layer, download, draft, vertex, cancel)
                .await?;
            blobs.extend(blob);
            drafts.push(draft);
        }
        for blob in blobs {
            if let Some(file) = &blob.file {
                self.store
                    .add_blob(file, &blob.digest, blob.size, Some(blob.layer))?;
            }
        }
        let mut top = below;
        for (draft, id) in drafts.into_iter().zip(&chain[first..]) {
            top = Some(draft.keep_as(TreeId(*id))?);
        }
        Ok((top, false))
    }

    /// Starts to fetch the blobs of layers that have to come from a registry.
    fn download(
        self: &Arc<Self>,
        image: &Arc<BaseImage>,
        layers: &[BaseLayer],
        vertex: &Vertex,
        cancel: &CancellationToken,
    ) -> Result<Vec<(Digest, Download)>> {
        let mut downloads = Vec::new();
        if !matches!(image.origin, Origin::Registry(_)) {
            return Ok(downloads);
        }
        for layer in layers {
            let Some(blob) = &layer.blob else { continue };
            if self.store.blob(&blob.digest)?.is_some() {
                continue;
            }
            // The same layer twice in an image is fetched twice at the worst.
            let mut tasks = JoinSet::new();
            let (parts, image) = (Arc::clone(self), Arc::clone(image));
            let (vertex, cancel, blob) = (vertex.clone(), cancel.clone(), blob.clone());
            tasks.spawn(async move { parts.fetch(&image, &blob, &vertex, &cancel).await });
            downloads.push((layer.diff_id, tasks));
        }
        Ok(downloads)
    }

    /// Unpacks one layer into `draft`, which is sealed then.
    async fn unpack_layer(
        self: &Arc<Self>,
        image: &Arc<BaseImage>,
        layer: &BaseLayer,
        download: Option<Download>,
        draft: Draft,
        vertex: &Vertex,
        cancel: &CancellationToken,
    ) -> Result<(Draft, Option<Blob>)> {
        let fetched = match download {
            Some(mut task) => match task.join_next().await {
                Some(Ok(fetched)) => Some(fetched?),
                Some(Err(_)) | None => return Err(Error::Canceled),
            },
            None => None,
        };
        let blob = match &layer.blob {
            Some(blob) => blob.clone(),
            None => self.own_blob(&layer.diff_id, cancel).await?,
        };
        let stored = self.store.blob(&blob.digest)?.is_some();
        let status = vertex.status(format!("extracting {}", blob.digest));
        // Where the bytes come from, and where they are kept on the way.
        let (reader, mut kept): (Box<dyn Read + Send>, Option<PathBuf>) =
            match (&image.origin, fetched) {
                (_, Some(file)) => (open(&file)?, Some(file)),
                _ if stored => (open(&self.store.blob_path(&blob.digest))?, None),
                (Origin::Store, None) => return Err(missing_blob(&blob)),
                (Origin::File(source), None) => {
                    let reader = source.blob(&blob).map_err(layer_error(&blob))?;
                    let kept = match source.blob_path(&blob) {
                        // Shared with the layout where that can be: no copy of what never changes.
                        Some(path) => self.share(&path)?,
                        None => None,
                    };
                    (reader, kept)
                }
                (Origin::Registry(name), None) => {
                    let feed = self.registry.blob_reader(name, &blob);
                    (
                        stopping(until_cancelled(cancel, feed).await??, cancel),
                        None,
                    )
                }
            };
        let tee = match stored || kept.is_some() {
            true => None,
            false => Some(self.store.lease().scratch_file()),
        };
        let _turn = self.limits.disk(cancel).await?;
        let (parts, cancel) = (Arc::clone(self), cancel.clone());
        let diff_id = layer.diff_id;
        blocking(move || {
            let root = draft.root()?;
            let reader = Cancelable(reader, cancel.clone());
            let applied = match &tee {
                None => apply_layer(reader, io::sink(), &root),
                Some(path) => {
                    let mut writer =
                        DirectWriter::create_new(path).map_err(Error::file("make", path))?;
                    let applied = apply_layer(reader, &mut writer, &root);
                    writer.finish().map_err(Error::file("write", path))?;
                    applied
                }
            };
            let applied = match applied {
                Err(_) if cancel.is_cancelled() => return Err(Error::Canceled),
                Err(error) => return Err(parts.snapshots.explain(layer_error(&blob)(error))),
                Ok(applied) => applied,
            };
            check(&applied, &blob, &diff_id)?;
            draft.seal()?;
            status.done(blob.size);
            kept = kept.or(tee);
            let blob = (!stored).then_some(Blob {
                file: kept,
                digest: blob.digest,
                size: blob.size,
                layer: LayerBlob {
                    diff_id,
                    compression: applied.compression,
                    packed_here: false,
                },
            });
            Ok((draft, blob))
        })
        .await
    }

    /// A blob of the store for a layer that a build made.
    async fn own_blob(
        self: &Arc<Self>,
        diff_id: &Digest,
        cancel: &CancellationToken,
    ) -> Result<Descriptor> {
        let (parts, diff_id, cancel) = (Arc::clone(self), *diff_id, cancel.clone());
        let compression = LayerCompression::default();
        let (digest, size) =
            blocking(move || parts.layer_blob(&diff_id, compression, &cancel)).await?;
        let media_type = stromatekt_oci::MediaType::OciLayer(compression.format);
        Ok(Descriptor::new(media_type, digest, size))
    }

    /// A temporary file that shares the content of `path`; none where that would be a copy.
    fn share(&self, path: &std::path::Path) -> Result<Option<PathBuf>> {
        let shared = self.store.lease().scratch_file();
        let file = File::open(path).map_err(Error::file("open", path))?;
        let new = File::create_new(&shared).map_err(Error::file("make", &shared))?;
        // Not a hard link: the layout belongs to somebody who may write to it.
        match reflink::clone_file(&file, &new) {
            Ok(()) => Ok(Some(shared)),
            Err(_) => {
                std::fs::remove_file(&shared).map_err(Error::file("remove", &shared))?;
                Ok(None)
            }
        }
    }

    /// Keeps an image that came from a registry under its name, so that the next build need not ask for it.
    pub async fn remember(
        self: &Arc<Self>,
        image: &Arc<BaseImage>,
        vertex: &Vertex,
        cancel: &CancellationToken,
    ) -> Result<()> {
        let Origin::Registry(name) = &image.origin else {
            return Ok(());
        };
        for layer in &image.layers {
            self.keep_blob(image, layer, vertex, cancel).await?;
        }
        // A digest in a name is what the image is looked up by: it may be that of an index.
        let digest = name.digest().copied().or(image.manifest);
        self.store
            .add_image(&image.record(), std::slice::from_ref(name), digest)?;
        Ok(())
    }

    /// Makes sure that the store has the blob of a layer that came with an image.
    pub async fn keep_blob(
        self: &Arc<Self>,
        image: &Arc<BaseImage>,
        layer: &BaseLayer,
        vertex: &Vertex,
        cancel: &CancellationToken,
    ) -> Result<()> {
        let Some(blob) = &layer.blob else {
            return Ok(());
        };
        if self.store.blob(&blob.digest)?.is_some() {
            return Ok(());
        }
        let file = self.fetch(image, blob, vertex, cancel).await?;
        // Which layer it is was not looked at: that is told only by its content.
        Ok(self.store.add_blob(&file, &blob.digest, blob.size, None)?)
    }

    /// Fetches a blob into a temporary file, and checks it.
    async fn fetch(
        self: &Arc<Self>,
        image: &Arc<BaseImage>,
        blob: &Descriptor,
        vertex: &Vertex,
        cancel: &CancellationToken,
    ) -> Result<PathBuf> {
        let _turn = self.limits.network(cancel).await?;
        let status = vertex.status(blob.digest.to_string());
        let reader: Box<dyn Read + Send> = match &image.origin {
            Origin::Store => return Err(missing_blob(blob)),
            Origin::File(source) => source.blob(blob).map_err(layer_error(blob))?,
            Origin::Registry(name) => {
                let feed = self.registry.blob_reader(name, blob);
                stopping(until_cancelled(cancel, feed).await??, cancel)
            }
        };
        let path = self.store.lease().scratch_file();
        let (blob, cancel) = (blob.clone(), cancel.clone());
        blocking(move || {
            let mut writer = DirectWriter::create_new(&path).map_err(Error::file("make", &path))?;
            let mut reader = stromatekt_oci::HashingReader::new(Cancelable(reader, cancel.clone()));
            let copied = io::copy(&mut reader, &mut writer).and_then(|_| writer.finish());
            match copied {
                Err(_) if cancel.is_cancelled() => return Err(Error::Canceled),
                copied => copied.map_err(Error::file("write", &path))?,
            };
            let (_, digest, size) = reader.finish();
            check_blob(&blob, &digest, size)?;
            status.done(size);
            Ok(path)
        })
        .await
    }
}

/// A blob that is being fetched into a temporary file; given up when it is dropped.
type Download = JoinSet<Result<PathBuf>>;

fn open(path: &std::path::Path) -> Result<Box<dyn Read + Send>> {
    Ok(Box::new(
        File::open(path).map_err(Error::file("open", path))?,
    ))
}

/// Says which layer it is that cannot be read.
fn layer_error(blob: &Descriptor) -> impl FnOnce(stromatekt_oci::Error) -> Error + use<> {
    let digest = blob.digest;
    move |source| Error::Layer { digest, source }
}

fn missing_blob(blob: &Descriptor) -> Error {
    Error::InconsistentImage {
        image: blob.digest.to_string(),
        reason: "the store has an image with this layer, but not the layer".into(),
    }
}

/// Whether a blob is the one that its descriptor promises.
fn check_blob(blob: &Descriptor, digest: &Digest, size: u64) -> Result<()> {
    let what = || format!("the blob {}", blob.digest);
    if *digest != blob.digest {
        return Err(stromatekt_oci::Error::DigestMismatch {
            what: what(),
            expected: blob.digest,
            found: *digest,
        }
        .into());
    }
    if size != blob.size {
        return Err(stromatekt_oci::Error::SizeMismatch {
            what: what(),
            expected: blob.size,
            found: size,
        }
        .into());
    }
    Ok(())
}

fn check(applied: &AppliedLayer, blob: &Descriptor, diff_id: &Digest) -> Result<()> {
    check_blob(blob, &applied.digest, applied.size)?;
    if applied.diff_id != *diff_id {
        return Err(stromatekt_oci::Error::DigestMismatch {
            what: format!("the layer in the blob {}, by its diff_id,", blob.digest),
            expected: *diff_id,
            found: applied.diff_id,
        }
        .into());
    }
    Ok(())
}

/// A download that ends when the build is stopped, whoever waits for its bytes.
fn stopping(feed: Feed, cancel: &CancellationToken) -> Box<dyn Read + Send> {
    let (stopper, cancel, done) = (feed.stopper(), cancel.clone(), CancellationToken::new());
    let guard = done.clone().drop_guard();
    tokio::spawn(async move {
        tokio::select! {
            () = cancel.cancelled() => stopper.stop(),
            () = done.cancelled() => {}
        }
    });
    Box::new(Stopping { feed, _done: guard })
}

struct Stopping {
    feed: Feed,
    _done: DropGuard,
}

impl Read for Stopping {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.feed.read(buffer)
    }
}

/// A reader that fails once the build is stopped.
pub(crate) struct Cancelable<R>(pub R, pub CancellationToken);

impl<R: Read> Read for Cancelable<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.1.is_cancelled() {
            true => Err(io::Error::other("the build was canceled")),
            false => self.0.read(buffer),
        }
    }
}
