//! An `Export` node: the config is completed, the image gets its id, and goes where it was asked for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use stromatekt_graph::NodeId;
use stromatekt_graph::op::Export;
use stromatekt_oci::image::{OutputImage, OutputLayer};
use stromatekt_oci::reference::ImageReference;
use stromatekt_oci::time::from_epoch;
use stromatekt_oci::{Descriptor, Digest, Manifest, MediaType};
use stromatekt_sources::registry::{Progress, PushImage};
use stromatekt_store::{DiffRecord, ImageRecord, LayerRecord, TreeId};
use tokio_util::sync::CancellationToken;

use crate::build::{Build, Value, wrong_kind};
use crate::engine::Parts;
use crate::error::Result;
use crate::events::{Outcome, Status, Vertex};
use crate::history;
use crate::images::{BaseImage, chain_ids};
use crate::limits::{blocking, until_cancelled};
use crate::request::{Built, LayerCompression, Output};
use crate::snapshots::Tree;
use crate::write;

impl Build {
    /// Makes the image, and writes it to all outputs.
    pub async fn export(self: &Arc<Self>, id: NodeId, export: &Export) -> Result<Built> {
        let base = match export.base {
            Some(base) => match self.wait(base).await? {
                Value::Image(image, _) => Some(image),
                Value::Empty => None,
                _ => return Err(wrong_kind()),
            },
            None => None,
        };
        let mut layers = Vec::new();
        for layer in &export.layers {
            match self.wait(layer.changeset).await? {
                Value::Layer(record) => layers.push((layer.history, record)),
                _ => return Err(wrong_kind()),
            }
        }
        let tree = self.wait(export.tree).await?;
        self.start(id);
        let result = self.write(id, export, base, &layers, &tree).await;
        self.complete(id, &result, Outcome::Done);
        result
    }

    async fn write(
        self: &Arc<Self>,
        id: NodeId,
        export: &Export,
        base: Option<Arc<BaseImage>>,
        layers: &[(usize, DiffRecord)],
        tree: &Value,
    ) -> Result<Built> {
        let vertex = self.vertex(id).clone();
        let record = self.image_record(export, base.as_deref(), layers);
        let image_id = record.id();
        let mut manifest = None;
        if self.request.outputs.iter().any(Output::keeps_blobs)
            && let Some(base) = &base
        {
            for layer in &base.layers {
                self.parts
                    .keep_blob(base, layer, &vertex, &self.cancel)
                    .await?;
            }
            self.parts.remember(base, &vertex, &self.cancel).await?;
        }
        for output in &self.request.outputs {
            if self.cancel.is_cancelled() {
                return Err(crate::Error::Canceled);
            }
            let (names, epoch) = (self.request.names.clone(), self.request.source_date_epoch);
            match output {
                Output::Store => {
                    self.keep(&record, tree, &vertex).await?;
                }
                Output::OciLayout {
                    destination,
                    tar,
                    compression,
                } => {
                    let image = self
                        .output_image(&record, names, *compression, true, &vertex)
                        .await?;
                    manifest = Some(descriptor(&image));
                    let (destination, tar) = (destination.clone(), *tar);
                    let status = vertex.status("writing the OCI layout");
                    blocking(move || write::oci_layout(&[image], &destination, tar)).await?;
                    status.done(0);
                }
                Output::DockerArchive {
                    destination,
                    compression,
                } => {
                    let image = self
                        .output_image(&record, names, *compression, false, &vertex)
                        .await?;
                    manifest = manifest.or_else(|| Some(descriptor(&image)));
                    let destination = destination.clone();
                    let status = vertex.status("writing the archive");
                    blocking(move || write::docker_archive(&[image], &destination)).await?;
                    status.done(0);
                }
                Output::Registry {
                    compression,
                    oci_media_types,
                } => {
                    let image = self
                        .output_image(&record, names, *compression, *oci_media_types, &vertex)
                        .await?;
                    manifest = Some(descriptor(&image));
                    self.push(image, &vertex).await?;
                }
                Output::Tar(destination) => {
                    let (tree, destination) = (self.tree(tree).await?, destination.clone());
                    let build = Arc::clone(self);
                    let status = vertex.status("writing the root filesystem");
                    blocking(move || {
                        let root = build.parts.snapshots.root(tree.as_ref())?;
                        write::rootfs_tar(&root, &destination, epoch)
                    })
                    .await?;
                    status.done(0);
                }
                Output::Local(directory) => {
                    let (tree, directory) = (self.tree(tree).await?, directory.clone());
                    let build = Arc::clone(self);
                    let status = vertex.status("copying files");
                    blocking(move || {
                        let root = build.parts.snapshots.root(tree.as_ref())?;
                        write::local(&root, &directory)
                    })
                    .await?;
                    status.done(0);
                }
            }
        }
        Ok(Built {
            image_id,
            manifest,
            names: self.request.names.clone(),
        })
    }

    /// The image as the store keeps it.
    fn image_record(
        &self,
        export: &Export,
        base: Option<&BaseImage>,
        layers: &[(usize, DiffRecord)],
    ) -> ImageRecord {
        let below = base.map_or_else(Vec::new, |base| base.record().layers);
        let own = layers.iter().map(|(_, record)| LayerRecord {
            diff_id: record.layer.diff_id,
            blob: None,
        });
        let all: Vec<LayerRecord> = below.into_iter().chain(own).collect();
        let times: Vec<(usize, SystemTime)> = layers
            .iter()
            .map(|(history, record)| (*history, record.created))
            .collect();
        let config = history::complete(
            export.config.clone(),
            base.map_or(0, |base| base.config.history.len()),
            all.iter().map(|layer| layer.diff_id).collect(),
            &times,
            self.request.source_date_epoch.and_then(from_epoch),
        );
        ImageRecord {
            config: config.to_json(),
            layers: all,
        }
    }

    /// Puts the image into the store, under its names.
    async fn keep(
        self: &Arc<Self>,
        record: &ImageRecord,
        tree: &Value,
        vertex: &Vertex,
    ) -> Result<()> {
        let status = vertex.status(format!("writing image {}", record.id()));
        let store = &self.parts.store;
        // A build on top of this image finds its tree: there is nothing to unpack.
        if let Value::Tree(Tree { snapshot, .. }) = tree
            && let Some(chain_id) =
                chain_ids(record.layers.iter().map(|layer| layer.diff_id)).last()
        {
            store.add_tree(&TreeId(*chain_id), snapshot.as_str())?;
        }
        store.add_image(record, &self.request.names, None)?;
        status.done(0);
        for name in &self.request.names {
            vertex.status(format!("naming to {name}")).done(0);
        }
        Ok(())
    }

    async fn output_image(
        self: &Arc<Self>,
        record: &ImageRecord,
        names: Vec<ImageReference>,
        compression: LayerCompression,
        oci: bool,
        vertex: &Vertex,
    ) -> Result<OutputImage> {
        let status = vertex.status("exporting layers");
        let (parts, record, cancel) =
            (Arc::clone(&self.parts), record.clone(), self.cancel.clone());
        let image =
            blocking(move || parts.output_image(&record, names, compression, oci, &cancel)).await?;
        status.done(0);
        let digest = Digest::of(&image.manifest);
        vertex
            .status(format!("exporting manifest {digest}"))
            .done(0);
        vertex
            .status(format!("exporting config {}", Digest::of(&image.config)))
            .done(0);
        Ok(image)
    }

    async fn push(&self, image: OutputImage, vertex: &Vertex) -> Result<()> {
        let push = PushImage {
            manifest: image.manifest,
            manifest_type: image.manifest_type,
            config: image.config,
            layers: image
                .layers
                .into_iter()
                .map(|layer| (layer.descriptor, layer.path))
                .collect(),
        };
        for name in &image.names {
            let status = vertex.status(format!("pushing {name}"));
            let _turn = self.parts.limits.network(&self.cancel).await?;
            // By digest: pieces of several layers are sent at the same time.
            let statuses: HashMap<Digest, Status> = push
                .layers
                .iter()
                .map(|(layer, _)| {
                    (
                        layer.digest,
                        vertex.status(format!("pushing layer {}", layer.digest)),
                    )
                })
                .collect();
            let report = move |layer: &Descriptor, progress| {
                let Some(status) = statuses.get(&layer.digest) else {
                    return;
                };
                match progress {
                    Progress::Sent(bytes) => status.progress(bytes, Some(layer.size)),
                    Progress::Exists | Progress::Done => status.done(layer.size),
                }
            };
            let registry = &self.parts.registry;
            let pushed = registry.push_with_progress(name, &push, report);
            until_cancelled(&self.cancel, pushed).await??;
            status.done(0);
        }
        Ok(())
    }
}

impl Output {
    /// Whether layers that came with the base must be at hand as blobs.
    fn keeps_blobs(&self) -> bool {
        matches!(self, Self::Store) || self.compression().is_some()
    }
}

impl Parts {
    /// An image of the store as outputs take it: each layer has a blob. Layers that came with a base keep theirs.
    pub fn output_image(
        &self,
        record: &ImageRecord,
        names: Vec<ImageReference>,
        compression: LayerCompression,
        oci: bool,
        cancel: &CancellationToken,
    ) -> Result<OutputImage> {
        let mut layers = Vec::new();
        for layer in &record.layers {
            let (format, digest, size) = match &layer.blob {
                Some((digest, kind)) => {
                    let size = self.store.blob(digest)?.ok_or_else(|| missing(layer))?;
                    (kind.layer_compression().unwrap_or_default(), *digest, size)
                }
                None => {
                    let (digest, size) = self.layer_blob(&layer.diff_id, compression, cancel)?;
                    (compression.format, digest, size)
                }
            };
            let kind = match oci {
                true => MediaType::OciLayer(format),
                false => MediaType::DockerLayer(format),
            };
            layers.push(OutputLayer {
                descriptor: Descriptor::new(kind, digest, size),
                diff_id: layer.diff_id,
                path: self.store.blob_path(&digest),
            });
        }
        let (manifest_type, config_type) = match oci {
            true => (MediaType::OciManifest, MediaType::OciConfig),
            false => (MediaType::DockerManifest, MediaType::DockerConfig),
        };
        let config = Descriptor::of(config_type, &record.config);
        let descriptors = layers
            .iter()
            .map(|layer| layer.descriptor.clone())
            .collect();
        let manifest = Manifest::new(manifest_type.clone(), config, descriptors);
        Ok(OutputImage {
            names,
            manifest: manifest.to_json(),
            manifest_type,
            platform: crate::catalog::parse_config(record)?.platform(),
            config: record.config.clone(),
            layers,
        })
    }
}

/// What an index would say of the image.
fn descriptor(image: &OutputImage) -> Descriptor {
    Descriptor::of(image.manifest_type.clone(), &image.manifest)
}

fn missing(layer: &LayerRecord) -> crate::Error {
    crate::Error::InconsistentImage {
        image: layer.diff_id.to_string(),
        reason: "the store has an image with this layer, but not the layer".into(),
    }
}
