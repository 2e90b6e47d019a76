//! The images of a build, of one platform or of several, to where they were asked for.

use std::sync::Arc;

use stromatekt_oci::descriptor::CREATED;
use stromatekt_oci::image::{Document, Exported, OutputIndex};
use stromatekt_oci::reference::ImageReference;
use stromatekt_oci::time::{from_epoch, rfc3339};
use stromatekt_oci::{Digest, MediaType};
use stromatekt_store::{ImageRecord, ListedImage, Listing, TreeId};

use crate::annotations::AnnotationPlace;
use crate::build::{Build, Value, wrong_kind};
use crate::changesets::PackedLayer;
use crate::error::{Error, Result};
use crate::events::{Outcome, Vertex};
use crate::export::{Form, Made};
use crate::images::chain_ids;
use crate::limits::blocking;
use crate::request::{Built, ImageOptions, ImageRequest, Output, PlatformExport, TreeOptions};
use crate::snapshots::Tree;
use crate::write;

/// An image of a platform, ready for the store.
struct Recorded<'a> {
    export: &'a PlatformExport,
    made: &'a Made,
    record: ImageRecord,
}

/// An image of a build on its way to its outputs.
pub(crate) struct Delivery<'a> {
    pub build: &'a Arc<Build>,
    pub request: &'a ImageRequest,
    pub vertex: Vertex,
}

impl Build {
    /// Waits for an image of all its platforms, and writes it to all its outputs.
    pub async fn deliver(self: &Arc<Self>, request: &ImageRequest) -> Result<Built> {
        let mut all = Vec::new();
        let mut written = None;
        for export in &request.exports {
            match self.wait(export.node).await? {
                Value::Made(made) => all.push((export, made)),
                Value::Written(images) if request.exports.len() == 1 => written = Some(images),
                _ => return Err(wrong_kind()),
            }
        }
        let Some(first) = request.exports.first() else {
            return Err(wrong_kind());
        };
        let id = first.node;
        self.start(id);
        let delivery = Delivery {
            build: self,
            request,
            vertex: self.vertex(id).clone(),
        };
        let result = match written {
            Some(images) => delivery.write_as_it_is(&images).await,
            None => delivery.write(&all).await,
        };
        self.complete(id, &result, Outcome::Done);
        result
    }
}

impl Delivery<'_> {
    async fn write(&self, all: &[(&PlatformExport, Arc<Made>)]) -> Result<Built> {
        let outputs = &self.request.outputs;
        if outputs
            .iter()
            .any(|output| output.image_options().is_some())
        {
            // The layers that came with a base must be at hand as blobs.
            for base in all.iter().filter_map(|(_, made)| made.base.as_ref()) {
                for layer in &base.layers {
                    self.build
                        .parts
                        .keep_blob(base, layer, &self.vertex, &self.build.cancel)
                        .await?;
                }
                self.build
                    .parts
                    .remember(base, &self.vertex, &self.build.cancel)
                    .await?;
            }
            for (_, layer) in all.iter().flat_map(|(_, made)| &made.layers) {
                if let PackedLayer::Old(old) = layer {
                    let (parts, cancel) = (&self.build.parts, &self.build.cancel);
                    parts
                        .keep_blob(&old.image, old.layer(), &self.vertex, cancel)
                        .await?;
                }
            }
        }
        let mut built: Option<Built> = None;
        for output in outputs {
            if self.build.cancel.is_cancelled() {
                return Err(Error::Canceled);
            }
            let Some(options) = output.image_options() else {
                self.write_tree(all, output).await?;
                continue;
            };
            let new = self.write_image(all, output, options).await?;
            built = Some(match built {
                None => new,
                Some(first) => Built {
                    descriptor: new.descriptor.or(first.descriptor),
                    names: match new.names.is_empty() {
                        true => first.names,
                        false => new.names,
                    },
                    ..first
                },
            });
        }
        match built {
            Some(built) => Ok(built),
            None => {
                let images = self.recorded(all, &ImageOptions::default())?;
                Ok(self.unwritten(&images, &ImageOptions::default()))
            }
        }
    }

    /// The images as the store keeps them, with the times that an output wants.
    fn recorded<'a>(
        &self,
        all: &'a [(&'a PlatformExport, Arc<Made>)],
        options: &ImageOptions,
    ) -> Result<Vec<Recorded<'a>>> {
        let record = |(export, made): &'a (&PlatformExport, Arc<Made>)| {
            Ok(Recorded {
                export,
                made,
                record: made.record(export, options)?,
            })
        };
        all.iter().map(record).collect()
    }

    /// The images as one thing with names.
    fn listing(&self, images: &[Recorded<'_>], options: &ImageOptions) -> Listing {
        let annotations = &options.annotations;
        let listed = images.iter().map(|image| {
            let platform = Some(&image.export.platform);
            ListedImage {
                id: image.record.id(),
                platform: image.export.platform.clone(),
                annotations: annotations.of(AnnotationPlace::Manifest, platform),
                descriptor_annotations: annotations
                    .of(AnnotationPlace::ManifestDescriptor, platform),
            }
        });
        Listing {
            is_index: self.request.makes_index(),
            annotations: annotations.of(AnnotationPlace::Index, None),
            descriptor_annotations: annotations.of(AnnotationPlace::IndexDescriptor, None),
            images: listed.collect(),
        }
    }

    /// What is known of images that no output wrote.
    fn unwritten(&self, images: &[Recorded<'_>], options: &ImageOptions) -> Built {
        let only = match images {
            [image] if !self.request.makes_index() => Some(image.record.id()),
            _ => None,
        };
        Built {
            id: only.unwrap_or_else(|| self.listing(images, options).id()),
            config: only,
            descriptor: None,
            names: self.names(),
        }
    }

    /// The names of the request.
    pub fn names(&self) -> Vec<String> {
        let names = self.request.names.iter();
        names.map(ToString::to_string).collect()
    }

    async fn write_image(
        &self,
        all: &[(&PlatformExport, Arc<Made>)],
        output: &Output,
        options: &ImageOptions,
    ) -> Result<Built> {
        let images = self.recorded(all, options)?;
        let mut built = self.unwritten(&images, options);
        if let Output::Store(_) = output {
            self.keep(&images, options)?;
            return Ok(built);
        }
        let exported = self.exported(&images, options).await?;
        let descriptor = exported.descriptor();
        if built.config.is_none() {
            built.id = descriptor.digest;
        }
        built.descriptor = Some(descriptor);
        if let Some(names) = self.send(exported, output).await? {
            built.names = names;
        }
        Ok(built)
    }

    /// Writes what is complete to where an output says; with the names that it has there, where they are not those of the request.
    pub async fn send(&self, exported: Exported, output: &Output) -> Result<Option<Vec<String>>> {
        match output {
            Output::OciLayout {
                destination, tar, ..
            } => {
                let (destination, tar) = (destination.clone(), *tar);
                let status = self.vertex.status("writing the OCI layout");
                blocking(move || write::oci_layout(&[exported], &destination, tar)).await?;
                status.done(0);
            }
            Output::DockerArchive { destination, .. } => {
                let destination = destination.clone();
                let status = self.vertex.status("writing the archive");
                blocking(move || write::docker_archive(&[exported], &destination)).await?;
                status.done(0);
            }
            Output::Registry { by_digest, .. } => {
                let digest = exported.descriptor().digest;
                let (parts, cancel) = (&self.build.parts, &self.build.cancel);
                parts
                    .push(&exported, *by_digest, &self.vertex, cancel)
                    .await?;
                if *by_digest {
                    let names = self.request.names.iter();
                    let names = names.map(|name| format!("{}@{digest}", name.name()));
                    return Ok(Some(names.collect()));
                }
            }
            Output::Store(_) | Output::Tar { .. } | Output::Local { .. } => {}
        }
        Ok(None)
    }

    /// The images with a blob for each layer, and the index of them where there is one.
    async fn exported(&self, images: &[Recorded<'_>], options: &ImageOptions) -> Result<Exported> {
        let status = self.vertex.status("exporting layers");
        let listing = self.listing(images, options);
        let records: Vec<ImageRecord> = images.iter().map(|image| image.record.clone()).collect();
        let (parts, cancel) = (Arc::clone(&self.build.parts), self.build.cancel.clone());
        let (compression, oci) = (options.compression, options.oci_media_types);
        let mut exported = blocking(move || {
            let mut images = Vec::new();
            for (record, listed) in records.iter().zip(listing.images) {
                let form = Form {
                    compression,
                    oci,
                    annotations: listed.annotations,
                    descriptor_annotations: listed.descriptor_annotations,
                };
                images.push(parts.output_image(record, listed.platform, form, &cancel)?);
            }
            let index_type = match oci {
                true => MediaType::OciIndex,
                false => MediaType::DockerManifestList,
            };
            Ok(match (listing.is_index, images.len()) {
                (false, 1) => Document::Image(images.remove(0)),
                _ => Document::Index(OutputIndex::new(
                    images,
                    index_type,
                    listing.annotations,
                    listing.descriptor_annotations,
                )),
            })
        })
        .await?;
        status.done(0);
        // As BuildKit: in the layout that lists it, an image made with SOURCE_DATE_EPOCH was made then.
        let mut epochs = images.iter().map(|image| {
            let epoch = options.epoch.over(image.export.source_date_epoch);
            epoch.and_then(from_epoch).map(rfc3339)
        });
        let first = epochs.next().flatten();
        if let Some(created) =
            first.filter(|first| epochs.all(|other| other.as_ref() == Some(first)))
        {
            let annotations = match &mut exported {
                Document::Image(image) => &mut image.annotations,
                Document::Index(index) => &mut index.annotations,
            };
            annotations.entry(CREATED.to_owned()).or_insert(created);
        }
        let exported = Exported {
            names: self.request.names.clone(),
            document: exported,
        };
        for image in exported.images() {
            let (manifest, config) = (Digest::of(&image.manifest), Digest::of(&image.config));
            for told in [
                format!("exporting manifest {manifest}"),
                format!("exporting config {config}"),
            ] {
                self.vertex.status(told).done(0);
            }
        }
        if let Document::Index(index) = &exported.document {
            let digest = Digest::of(&index.json);
            self.vertex
                .status(format!("exporting manifest list {digest}"))
                .done(0);
        }
        Ok(exported)
    }

    /// Puts the images into the store, under their names.
    fn keep(&self, images: &[Recorded<'_>], options: &ImageOptions) -> Result<()> {
        let store = &self.build.parts.store;
        let names = &self.request.names;
        let listing = self.listing(images, options);
        for image in images {
            let record = &image.record;
            let status = self.vertex.status(format!("writing image {}", record.id()));
            // A build on top of this image finds its tree: there is nothing to unpack.
            if let Value::Tree(Tree { snapshot, .. }) = &image.made.tree
                && let Some(chain_id) =
                    chain_ids(record.layers.iter().map(|layer| layer.diff_id)).last()
                && options.layer_epoch(image.export).is_none()
            {
                store.add_tree(&TreeId(*chain_id), snapshot.as_str())?;
            }
            let own: &[ImageReference] = match listing.is_needed() {
                true => &[],
                false => names,
            };
            store.add_image(record, own, None)?;
            status.done(0);
        }
        if listing.is_needed() {
            let id = store.add_listing(&listing, names)?;
            self.vertex.status(format!("writing index {id}")).done(0);
        }
        for name in names {
            self.vertex.status(format!("naming to {name}")).done(0);
        }
        Ok(())
    }

    /// Writes root filesystems: one as it is, several each into a directory of its own, or all into one.
    async fn write_tree(
        &self,
        all: &[(&PlatformExport, Arc<Made>)],
        output: &Output,
    ) -> Result<()> {
        let (Output::Tar { options, .. } | Output::Local { options, .. }) = output else {
            return Ok(());
        };
        let is_split = match output {
            // BuildKit's tar exporter splits whatever is said.
            Output::Tar { .. } => self.request.makes_index(),
            _ => options.is_split(self.request.makes_index()),
        };
        let mut trees = Vec::new();
        for (export, made) in all {
            let tree = self.build.tree(&made.tree).await?;
            trees.push(write::PlatformTree {
                root: self.build.parts.snapshots.root(tree.as_ref())?,
                name: is_split.then(|| export.platform.to_string().replace('/', "_")),
                platform: export.platform.to_string(),
                epoch: options.epoch.over(export.source_date_epoch),
            });
        }
        let output = output.clone();
        let status = self.vertex.status(match &output {
            Output::Local { .. } => "copying files",
            _ => "writing the root filesystem",
        });
        blocking(move || match &output {
            Output::Tar { destination, .. } => write::rootfs_tar(&trees, destination),
            Output::Local { directory, .. } => write::local(&trees, directory),
            _ => Ok(()),
        })
        .await?;
        status.done(0);
        Ok(())
    }
}

impl TreeOptions {
    /// Whether each platform has a directory of its own.
    pub(crate) fn is_split(&self, is_index: bool) -> bool {
        self.platform_split.unwrap_or(is_index)
    }
}
