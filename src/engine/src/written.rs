//! A `Written` node: images whose manifests and configs steps wrote as files. They are checked, and written as they are.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::sync::Arc;

use stromatekt_graph::NodeId;
use stromatekt_graph::export::{TreeFile, Written};
use stromatekt_kernel::Root;
use stromatekt_kernel::beneath::OFlag;
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::image::{Document, Exported, OutputImage, OutputIndex, OutputLayer};
use stromatekt_oci::reference::ImageReference;
use stromatekt_oci::{Descriptor, Digest, Manifest, MediaType};
use stromatekt_store::{ImageRecord, LayerRecord, ListedImage, Listing};

use crate::build::{Build, Value};
use crate::deliver::Delivery;
use crate::error::{Error, Result};
use crate::limits::blocking;
use crate::request::{Built, Output};

/// How long a manifest or config may be: registries take no longer ones.
const LONGEST: u64 = 4 << 20;

/// The images of a `Written` node.
#[derive(Debug)]
pub(crate) struct WrittenImages {
    /// What they are as one thing.
    pub document: Document,
    /// The same for the store.
    pub listing: Listing,
    /// Each image for the store, in the order of the listing.
    pub records: Vec<ImageRecord>,
}

/// A blob that a manifest may name as its config.
struct ConfigBlob {
    content: Vec<u8>,
    media_type: Option<String>,
}

impl Build {
    /// The images of a `Written` node.
    pub async fn written(self: &Arc<Self>, id: NodeId, written: &Written) -> Result<WrittenImages> {
        let mut layers = HashMap::new();
        for object in &written.objects {
            let waited = self.layers_of(object).await?;
            for blob in self.blobs_of(id, &waited).await? {
                layers.insert(blob.descriptor.digest, blob);
            }
        }
        let mut configs = HashMap::new();
        for file in &written.blobs {
            let tree = self.wait(file.tree).await?;
            let content = self.file_of(&tree, &file.path).await?;
            let digest = Digest::of(&content);
            check_blob(file, &digest)?;
            let media_type = file.media_type.clone();
            configs.insert(
                digest,
                ConfigBlob {
                    content,
                    media_type,
                },
            );
        }
        let tree = self.wait(written.tree).await?;
        let mut images = Vec::new();
        for path in &written.manifests {
            let json = self.file_of(&tree, path).await?;
            images.push(image(path, json, &layers, &configs)?);
        }
        let is_index = written.is_index || images.len() > 1;
        Ok(together(images, is_index, &written.annotations))
    }

    /// A small file of a tree.
    async fn file_of(self: &Arc<Self>, tree: &Value, path: &str) -> Result<Vec<u8>> {
        let tree = self.tree(tree).await?;
        let (parts, path) = (Arc::clone(&self.parts), path.to_owned());
        blocking(move || {
            let root = parts.snapshots.root(tree.as_ref())?;
            read_small(&root, &path).map_err(Error::file("read, in the tree of the image,", &path))
        })
        .await
    }
}

impl Delivery<'_> {
    /// Writes images to all outputs, byte for byte as steps wrote their manifests.
    pub async fn write_as_it_is(&self, images: &WrittenImages) -> Result<Built> {
        let only = match images.records.as_slice() {
            [record] if !images.listing.is_index => Some(record.id()),
            _ => None,
        };
        let mut built = Built {
            id: only.unwrap_or_else(|| images.listing.id()),
            config: only,
            descriptor: None,
            names: self.names(),
        };
        for output in &self.request.outputs {
            if self.build.cancel.is_cancelled() {
                return Err(Error::Canceled);
            }
            match output {
                Output::Tar { .. } | Output::Local { .. } => {
                    return Err(Error::Unsupported {
                        what: "an image whose manifest a step wrote has no tree of files".into(),
                        hint: "use type=oci, docker, image or registry".into(),
                    });
                }
                Output::Store(_) => self.keep_as_it_is(images)?,
                _ => {
                    let exported = Exported {
                        names: self.request.names.clone(),
                        document: images.document.clone(),
                    };
                    let descriptor = exported.descriptor();
                    if only.is_none() {
                        built.id = descriptor.digest;
                    }
                    built.descriptor = Some(descriptor);
                    if let Some(names) = self.send(exported, output).await? {
                        built.names = names;
                    }
                }
            }
        }
        Ok(built)
    }

    /// The store keeps configs, layers and annotations: it writes manifests of its own, when it has to.
    fn keep_as_it_is(&self, images: &WrittenImages) -> Result<()> {
        let (store, names) = (&self.build.parts.store, &self.request.names);
        let is_listed = images.listing.is_needed();
        let own: &[ImageReference] = if is_listed { &[] } else { names };
        for record in &images.records {
            store.add_image(record, own, None)?;
            let told = format!("writing image {}", record.id());
            self.vertex.status(told).done(0);
        }
        if is_listed {
            let id = store.add_listing(&images.listing, names)?;
            self.vertex.status(format!("writing index {id}")).done(0);
        }
        for name in names {
            self.vertex.status(format!("naming to {name}")).done(0);
        }
        Ok(())
    }
}

fn read_small(root: &Root, path: &str) -> io::Result<Vec<u8>> {
    let file = root.open_file(
        path.trim_start_matches('/'),
        OFlag::O_RDONLY | OFlag::O_NONBLOCK,
        0,
    )?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut content = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut content)?;
    match content.len() as u64 > LONGEST {
        true => Err(io::Error::other(format!(
            "it is longer than {LONGEST} bytes"
        ))),
        false => Ok(content),
    }
}

fn check_blob(file: &TreeFile, found: &Digest) -> Result<()> {
    match &file.digest {
        Some(expected) if expected != found => Err(Error::Unexpected {
            what: format!("the file {}", file.path),
            expected: *expected,
            found: *found,
            summary: "it was snapshotted as a blob with the first of these digests".into(),
        }),
        _ => Ok(()),
    }
}

/// Checks that a manifest names only what it may, and that it fits together.
fn image(
    path: &str,
    json: Vec<u8>,
    layers: &HashMap<Digest, OutputLayer>,
    configs: &HashMap<Digest, ConfigBlob>,
) -> Result<(OutputImage, ImageRecord)> {
    let wrong = |reason: String| Error::InconsistentImage {
        image: format!("the manifest {path}"),
        reason,
    };
    let manifest = Manifest::parse(&json, path)?;
    let manifest_type = manifest
        .media_type
        .clone()
        .unwrap_or(MediaType::OciManifest);
    if !manifest_type.is_manifest() {
        return Err(wrong(format!(
            "its media type is {}",
            manifest_type.as_str()
        )));
    }
    let config = configs.get(&manifest.config.digest).ok_or_else(|| {
        wrong(format!(
            "its config {} is no blob that was snapshotted before; those are: {}",
            manifest.config.digest,
            list(configs.keys())
        ))
    })?;
    check_descriptor(&manifest.config, config.content.len() as u64).map_err(&wrong)?;
    if let Some(media_type) = &config.media_type
        && *media_type != manifest.config.media_type.as_str()
    {
        return Err(wrong(format!(
            "its config has the media type {}, but was snapshotted as {media_type}",
            manifest.config.media_type.as_str()
        )));
    }
    let parsed = ImageConfig::parse(&config.content, path)?;
    let diff_ids = &parsed.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        return Err(wrong(format!(
            "it has {} layers, its config {}",
            manifest.layers.len(),
            diff_ids.len()
        )));
    }
    let mut found = Vec::new();
    for (descriptor, diff_id) in manifest.layers.iter().zip(diff_ids) {
        let digest = &descriptor.digest;
        let layer = layers.get(digest).ok_or_else(|| {
            wrong(format!(
                "its layer {digest} was not imported before; what was: {}",
                list(layers.keys())
            ))
        })?;
        check_descriptor(descriptor, layer.descriptor.size).map_err(&wrong)?;
        let compression = |media_type: &MediaType| media_type.layer_compression();
        if compression(&descriptor.media_type) != compression(&layer.descriptor.media_type) {
            return Err(wrong(format!(
                "its layer {digest} is of the type {}, not {}",
                layer.descriptor.media_type.as_str(),
                descriptor.media_type.as_str()
            )));
        }
        if *diff_id != layer.diff_id {
            return Err(wrong(format!(
                "the config has the diff_id {diff_id} where the manifest has the layer {digest}, whose diff_id is {}",
                layer.diff_id
            )));
        }
        found.push(OutputLayer {
            descriptor: descriptor.clone(),
            ..layer.clone()
        });
    }
    let record = ImageRecord {
        config: config.content.clone(),
        layers: found.iter().map(record).collect(),
    };
    let image = OutputImage {
        manifest: json,
        manifest_type,
        annotations: BTreeMap::new(),
        platform: parsed.platform(),
        config: config.content.clone(),
        layers: found,
    };
    Ok((image, record))
}

fn check_descriptor(descriptor: &Descriptor, size: u64) -> Result<(), String> {
    match descriptor.size == size {
        true => Ok(()),
        false => Err(format!(
            "it gives {} the size {}, which is {size}",
            descriptor.digest, descriptor.size
        )),
    }
}

fn record(layer: &OutputLayer) -> LayerRecord {
    let descriptor = &layer.descriptor;
    LayerRecord {
        diff_id: layer.diff_id,
        blob: Some((descriptor.digest, descriptor.media_type.clone())),
    }
}

/// Up to three of the digests, for an error.
fn list<'a>(digests: impl ExactSizeIterator<Item = &'a Digest>) -> String {
    let more = digests.len().saturating_sub(3);
    let mut digests: Vec<String> = digests.map(ToString::to_string).collect();
    digests.sort();
    digests.truncate(3);
    match (digests.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => digests.join(", "),
        (false, more) => format!("{} and {more} more", digests.join(", ")),
    }
}

fn together(
    images: Vec<(OutputImage, ImageRecord)>,
    is_index: bool,
    annotations: &BTreeMap<String, String>,
) -> WrittenImages {
    let (images, records): (Vec<_>, Vec<_>) = images.into_iter().unzip();
    let listed = images
        .iter()
        .zip(&records)
        .map(|(image, record)| ListedImage {
            id: record.id(),
            platform: image.platform.clone(),
            annotations: manifest_annotations(image),
            descriptor_annotations: BTreeMap::new(),
        });
    let listing = Listing {
        is_index,
        annotations: annotations.clone(),
        descriptor_annotations: BTreeMap::new(),
        images: listed.collect(),
    };
    let mut images = images;
    let document = match (is_index, images.len()) {
        (false, 1) => Document::Image(images.remove(0)),
        _ => Document::Index(OutputIndex::new(
            images,
            MediaType::OciIndex,
            annotations.clone(),
            BTreeMap::new(),
        )),
    };
    WrittenImages {
        document,
        listing,
        records,
    }
}

/// What the store can keep of a manifest besides its config and layers.
fn manifest_annotations(image: &OutputImage) -> BTreeMap<String, String> {
    Manifest::parse(&image.manifest, "")
        .map_or_else(|_| BTreeMap::new(), |manifest| manifest.annotations)
}
