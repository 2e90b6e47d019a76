//! A whole image that is to be written somewhere: its documents, and where its layers' blobs are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::ImageConfig;
use crate::descriptor::{Descriptor, IMAGE_NAME, MediaType, REF_NAME};
use crate::digest::Digest;
use crate::platform::Platform;
use crate::reference::ImageReference;

/// The annotation that tells when an image was made (image-spec `annotations.md`).
const CREATED: &str = "org.opencontainers.image.created";

/// An image, ready to be written.
#[derive(Clone, Debug)]
pub struct OutputImage {
    /// The names it is to have.
    pub names: Vec<ImageReference>,
    /// The manifest.
    pub manifest: Vec<u8>,
    /// What kind of manifest.
    pub manifest_type: MediaType,
    /// What it runs on.
    pub platform: Platform,
    /// The image config.
    pub config: Vec<u8>,
    /// The layers, the lowest first.
    pub layers: Vec<OutputLayer>,
}

/// A layer of an image that is to be written.
#[derive(Clone, Debug)]
pub struct OutputLayer {
    /// The blob, as the manifest names it.
    pub descriptor: Descriptor,
    /// The digest of the tar in the blob.
    pub diff_id: Digest,
    /// Where the blob is.
    pub path: PathBuf,
}

/// Where the bytes of a blob are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Content<'a> {
    Bytes(&'a [u8]),
    File(&'a OutputLayer),
}

impl OutputImage {
    /// The entries of an index that name this image: one for each name, or one without.
    pub(crate) fn index_entries(&self) -> Vec<Descriptor> {
        let mut entry = Descriptor::of(self.manifest_type.clone(), &self.manifest);
        entry.platform = Some(self.platform.clone());
        // BuildKit writes the time of the export; the image's own is the same at every export.
        let config = ImageConfig::parse(&self.config, "the image");
        if let Some(created) = config.ok().and_then(|config| config.created) {
            entry.annotations.insert(CREATED.to_owned(), created);
        }
        if self.names.is_empty() {
            return vec![entry];
        }
        let named = |name: &ImageReference| {
            let mut entry = entry.clone();
            let full = name.to_string();
            let short = name.tag().map_or_else(|| full.clone(), str::to_owned);
            entry.annotations.insert(IMAGE_NAME.to_owned(), full);
            entry.annotations.insert(REF_NAME.to_owned(), short);
            entry
        };
        self.names.iter().map(named).collect()
    }
}

/// All blobs of some images, each once.
pub(crate) fn blobs(images: &[OutputImage]) -> BTreeMap<Digest, Content<'_>> {
    let mut blobs = BTreeMap::new();
    for image in images {
        for document in [&image.manifest, &image.config] {
            blobs.insert(Digest::of(document), Content::Bytes(document));
        }
        for layer in &image.layers {
            blobs.insert(layer.descriptor.digest, Content::File(layer));
        }
    }
    blobs
}
