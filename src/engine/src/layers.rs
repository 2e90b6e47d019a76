//! Layers of a build: the difference of two trees, packed to learn its diff_id and, where an output needs it, into a blob.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use stromatekt_kernel::direct::DirectWriter;
use stromatekt_oci::Digest;
use stromatekt_oci::compress::{Compressor, decompress};
use stromatekt_oci::digest::{HashingReader, HashingWriter};
use stromatekt_oci::pack::{self, PackOptions, Packed};
use stromatekt_store::blobs::LayerBlob;
use stromatekt_store::{DiffRecord, Layer};
use tokio_util::sync::CancellationToken;

use crate::build::{Build, Value};
use crate::engine::Parts;
use crate::error::{Error, Result};
use crate::images::empty_tree;
use crate::limits::blocking;
use crate::request::{ImageOptions, LayerCompression, Output, PlatformExport};
use crate::snapshots::Tree;

/// The layer between two trees, by the time that its entries are limited to: a rewritten layer is another one.
pub(crate) type LayerVariants = BTreeMap<Option<i64>, DiffRecord>;

/// Compresses a layer, and knows the digest of what it wrote.
type BlobWriter = Compressor<HashingWriter<DirectWriter>>;

impl Build {
    /// The layer between two trees, as the outputs want it. When an output wants blobs, they are made in the same pass.
    pub async fn layer_variants(
        self: &Arc<Self>,
        lower: Option<&Value>,
        upper: &Value,
    ) -> Result<Arc<LayerVariants>> {
        let mut variants = LayerVariants::new();
        for epoch in self.layer_epochs() {
            variants.insert(epoch, self.layer_until(lower, upper, epoch).await?);
        }
        Ok(Arc::new(variants))
    }

    /// The times that outputs want layers to be limited to.
    fn layer_epochs(&self) -> BTreeSet<Option<i64>> {
        let mut epochs = BTreeSet::new();
        for image in &self.request.images {
            for options in image.outputs.iter().filter_map(Output::image_options) {
                let exports = image.exports.iter();
                epochs.extend(exports.map(|export| options.layer_epoch(export)));
            }
        }
        // Without an image to write, the layers still say what the build made.
        if epochs.is_empty() {
            epochs.insert(None);
        }
        epochs
    }

    /// The layer between two trees, no entry of which is later than this.
    pub async fn layer_until(
        self: &Arc<Self>,
        lower: Option<&Value>,
        upper: &Value,
        epoch: Option<i64>,
    ) -> Result<DiffRecord> {
        // The empty tree has one name only: none.
        let lower_id = match lower {
            Some(value) => Some(self.tree_id(value).await?).filter(|id| *id != empty_tree()),
            None => None,
        };
        let upper_id = self.tree_id(upper).await?;
        let store = &self.parts.store;
        let compression = self.request.images.iter().flat_map(|image| &image.outputs);
        let compression = compression.into_iter().find_map(Output::compression);
        if let Some(known) = store.diff(lower_id, upper_id, epoch)? {
            return Ok(known);
        }
        let lower = match lower {
            Some(value) => self.tree(value).await?,
            None => None,
        };
        let upper = self.tree_to_read(upper).await?;
        // It saves the kernel from writing out the files of the tree before it compares.
        let touched = self.touched(lower_id, upper_id);
        let _turn = self.parts.limits.disk(&self.cancel).await?;
        let build = Arc::clone(self);
        blocking(move || {
            let trees = Trees {
                lower: lower.as_ref(),
                upper: &upper,
                epoch,
                touched: touched.as_deref(),
            };
            let made = build.parts.pack(trees, compression, &build.cancel)?;
            let record = DiffRecord {
                lower: lower_id,
                upper: upper_id,
                epoch,
                layer: Layer {
                    diff_id: made.diff_id,
                    size: made.size,
                },
                created: SystemTime::now(),
            };
            Ok(build.parts.store.add_diff(record)?)
        })
        .await
    }
}

impl ImageOptions {
    /// The time that new layers of an image are limited to.
    pub(crate) fn layer_epoch(&self, export: &PlatformExport) -> Option<i64> {
        let epoch = self.epoch.over(export.source_date_epoch);
        epoch.filter(|_| self.rewrite_timestamp)
    }
}

impl Parts {
    /// Packs the layer between two trees; into a blob of the store where a compression is given.
    fn pack(
        &self,
        trees: Trees<'_>,
        compression: Option<LayerCompression>,
        cancel: &CancellationToken,
    ) -> Result<Packed> {
        let packed = match compression {
            None => self
                .pack_into(trees, Cancelable(io::sink(), cancel))
                .map(|(packed, _)| packed),
            Some(compression) => self
                .pack_blob(trees, compression, cancel)
                .map(|(packed, ..)| packed),
        };
        packed.map_err(|error| {
            if cancel.is_cancelled() {
                Error::Canceled
            } else {
                error
            }
        })
    }

    /// The blob of a layer that a build made: found, or packed again from its snapshots.
    pub fn layer_blob(
        &self,
        diff_id: &Digest,
        compression: LayerCompression,
        cancel: &CancellationToken,
    ) -> Result<(Digest, u64)> {
        // Only the default level is remembered: another one gives another blob.
        if compression.level.is_none()
            && let Some(found) = self.store.packed_layer(diff_id, compression.format)?
        {
            return Ok(found);
        }
        let missing = || Error::InconsistentImage {
            image: diff_id.to_string(),
            reason: "the store has neither this layer's blob nor the snapshots it was made of"
                .into(),
        };
        let record = self.store.diff_of_layer(diff_id)?.ok_or_else(missing)?;
        let lower = match record.lower {
            Some(id) => Some(self.snapshots.find(id)?.ok_or_else(missing)?),
            None => None,
        };
        let upper = self.snapshots.find(record.upper)?.ok_or_else(missing)?;
        let trees = Trees {
            lower: lower.as_ref(),
            upper: &upper,
            epoch: record.epoch,
            touched: None,
        };
        let (packed, blob, size) = self.pack_blob(trees, compression, cancel)?;
        if packed.diff_id != *diff_id {
            return Err(Error::LayerChanged {
                expected: diff_id.to_string(),
                found: packed.diff_id.to_string(),
            });
        }
        Ok((blob, size))
    }

    /// A layer that came with an image, compressed in another way.
    pub fn recompress(
        &self,
        diff_id: &Digest,
        blob: &Digest,
        compression: LayerCompression,
        cancel: &CancellationToken,
    ) -> Result<(Digest, u64)> {
        if compression.level.is_none()
            && let Some(found) = self.store.packed_layer(diff_id, compression.format)?
        {
            return Ok(found);
        }
        let from = self.store.blob_path(blob);
        let file = File::open(&from).map_err(Error::file("open", &from))?;
        let (_, content) = decompress(file).map_err(Error::file("read", &from))?;
        let mut content = HashingReader::new(content);
        let (path, compressor) = self.start_blob(compression)?;
        let mut out = Cancelable(compressor, cancel);
        io::copy(&mut content, &mut out).map_err(|error| match cancel.is_cancelled() {
            true => Error::Canceled,
            false => Error::file("write", &path)(error),
        })?;
        let (_, found, _) = content.finish();
        if found != *diff_id {
            return Err(Error::LayerChanged {
                expected: diff_id.to_string(),
                found: found.to_string(),
            });
        }
        self.finish_blob(&path, out.0, *diff_id, compression)
    }

    /// A blob under way: where it is until the store has it, and what writes it.
    fn start_blob(&self, compression: LayerCompression) -> Result<(PathBuf, BlobWriter)> {
        let path = self.store.lease().scratch_file();
        let file = DirectWriter::create_new(&path).map_err(Error::file("make", &path))?;
        let sink = HashingWriter::new(file);
        let compressor = Compressor::new(sink, compression.format, compression.level)?;
        Ok((path, compressor))
    }

    /// Gives a blob that is complete to the store.
    fn finish_blob(
        &self,
        path: &Path,
        writer: BlobWriter,
        diff_id: Digest,
        compression: LayerCompression,
    ) -> Result<(Digest, u64)> {
        let finish = || {
            let (writer, digest, size) = writer.finish()?.finish();
            writer.finish()?;
            Ok((digest, size))
        };
        let (digest, size) = finish().map_err(Error::file("write", path))?;
        let layer = LayerBlob {
            diff_id,
            compression: compression.format,
            packed_here: compression.level.is_none(),
        };
        self.store.add_blob(path, &digest, size, Some(layer))?;
        Ok((digest, size))
    }

    fn pack_blob(
        &self,
        trees: Trees<'_>,
        compression: LayerCompression,
        cancel: &CancellationToken,
    ) -> Result<(Packed, Digest, u64)> {
        let (path, compressor) = self.start_blob(compression)?;
        let (packed, Cancelable(compressor, _)) =
            self.pack_into(trees, Cancelable(compressor, cancel))?;
        let (digest, size) = self.finish_blob(&path, compressor, packed.diff_id, compression)?;
        Ok((packed, digest, size))
    }

    fn pack_into<W: Write + Send>(&self, trees: Trees<'_>, out: W) -> Result<(Packed, W)> {
        let changes = self
            .snapshots
            .diff(trees.lower, trees.upper, trees.touched)?;
        let root = self.snapshots.root(Some(trees.upper))?;
        let options = PackOptions {
            latest_time: trees.epoch,
            ..PackOptions::default()
        };
        Ok(pack::pack(&root, &changes, &options, out)?)
    }
}

/// Two trees whose difference is packed.
#[derive(Clone, Copy)]
struct Trees<'a> {
    lower: Option<&'a Tree>,
    upper: &'a Tree,
    /// The latest time that entries of the layer have.
    epoch: Option<i64>,
    /// The paths at which they may differ, where that is known.
    touched: Option<&'a BTreeSet<PathBuf>>,
}

/// A writer that refuses more once the build is stopped.
struct Cancelable<'a, W>(W, &'a CancellationToken);

impl<W: Write> Write for Cancelable<'_, W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self.1.is_cancelled() {
            true => Err(io::Error::other("the build was canceled")),
            false => self.0.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
