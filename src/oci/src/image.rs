//! A whole image that is to be written somewhere, or an index of several: the documents, and where the layers' blobs are.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::ImageConfig;
use crate::descriptor::{CREATED, Descriptor, IMAGE_NAME, Index, MediaType, REF_NAME};
use crate::digest::Digest;
use crate::platform::Platform;
use crate::reference::ImageReference;

/// What is written under some names: an image, or an index of images for several platforms.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The names it is to have.
    pub names: Vec<ImageReference>,
    /// What it is.
    pub document: Document,
}

/// What is written under some names.
#[derive(Clone, Debug)]
pub enum Document {
    /// One image.
    Image(OutputImage),
    /// An index.
    Index(OutputIndex),
}

/// An index of images, ready to be written.
#[derive(Clone, Debug)]
pub struct OutputIndex {
    /// The index or manifest list.
    pub json: Vec<u8>,
    /// Which of both.
    pub media_type: MediaType,
    /// What the descriptor of the index is annotated with.
    pub annotations: BTreeMap<String, String>,
    /// The images that it lists.
    pub images: Vec<OutputImage>,
}

/// An image, ready to be written.
#[derive(Clone, Debug)]
pub struct OutputImage {
    /// The manifest.
    pub manifest: Vec<u8>,
    /// What kind of manifest.
    pub manifest_type: MediaType,
    /// What its descriptor is annotated with.
    pub annotations: BTreeMap<String, String>,
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
    /// What an index says of the image.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        let mut descriptor = Descriptor::of(self.manifest_type.clone(), &self.manifest);
        descriptor.annotations.clone_from(&self.annotations);
        descriptor.platform = Some(self.platform.clone());
        descriptor
    }

    /// When it was made, as its config says.
    fn created(&self) -> Option<String> {
        let config = ImageConfig::parse(&self.config, "the image");
        config.ok().and_then(|config| config.created)
    }
}

impl OutputIndex {
    /// The index of these images.
    #[must_use]
    pub fn new(
        images: Vec<OutputImage>,
        media_type: MediaType,
        annotations: BTreeMap<String, String>,
        descriptor_annotations: BTreeMap<String, String>,
    ) -> Self {
        let index = Index {
            media_type: Some(media_type.clone()),
            annotations,
            ..Index::new(images.iter().map(OutputImage::descriptor).collect())
        };
        Self {
            json: index.to_json(),
            media_type,
            annotations: descriptor_annotations,
            images,
        }
    }
}

impl Exported {
    /// The images: one, or those of the index.
    #[must_use]
    pub fn images(&self) -> &[OutputImage] {
        match &self.document {
            Document::Image(image) => std::slice::from_ref(image),
            Document::Index(index) => &index.images,
        }
    }

    /// The descriptor of what has the names, as a layout lists it.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        let mut descriptor = match &self.document {
            Document::Image(image) => image.descriptor(),
            Document::Index(index) => Descriptor {
                annotations: index.annotations.clone(),
                ..Descriptor::of(index.media_type.clone(), &index.json)
            },
        };
        // BuildKit writes the time of the export; the image's own is the same at every export.
        if let Some(created) = self.images().iter().filter_map(OutputImage::created).max() {
            let annotations = &mut descriptor.annotations;
            annotations.entry(CREATED.to_owned()).or_insert(created);
        }
        descriptor
    }

    /// The entries of an index that name this: one for each name, or one without.
    pub(crate) fn index_entries(&self) -> Vec<Descriptor> {
        let entry = self.descriptor();
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

/// All blobs of some outputs, each once.
pub(crate) fn blobs(outputs: &[Exported]) -> BTreeMap<Digest, Content<'_>> {
    let mut blobs = BTreeMap::new();
    for output in outputs {
        if let Document::Index(index) = &output.document {
            blobs.insert(Digest::of(&index.json), Content::Bytes(&index.json));
        }
        for image in output.images() {
            for document in [&image.manifest, &image.config] {
                blobs.insert(Digest::of(document), Content::Bytes(document));
            }
            for layer in &image.layers {
                blobs.insert(layer.descriptor.digest, Content::File(layer));
            }
        }
    }
    blobs
}
