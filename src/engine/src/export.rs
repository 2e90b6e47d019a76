//! An `Export` node: the image of one platform, all of it but the times that an output may set, and its form in outputs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::join_all;
use stromatekt_graph::op::{Export, ImageLocation};
use stromatekt_graph::{NodeId, Op};
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::image::{OutputImage, OutputLayer};
use stromatekt_oci::platform::Platform;
use stromatekt_oci::time::from_epoch;
use stromatekt_oci::{Compression, Descriptor, Manifest, MediaType};
use stromatekt_store::{ImageRecord, LayerRecord};
use tokio_util::sync::CancellationToken;

use crate::build::{Build, Value, wrong_kind};
use crate::changesets::PackedLayer;
use crate::engine::Parts;
use crate::error::{Error, Result};
use crate::history;
use crate::images::BaseImage;
use crate::request::{ImageOptions, LayerCompression, PlatformExport};

/// An image whose layers are made.
#[derive(Debug)]
pub(crate) struct Made {
    /// The image below.
    pub base: Option<Arc<BaseImage>>,
    /// The tree of all layers.
    pub tree: Value,
    config: ImageConfig,
    /// The layers on top, with their entries in the history.
    pub layers: Vec<(Option<usize>, PackedLayer)>,
    /// What the history says of each layer, those of the base among them, that has no entry of its own.
    descriptions: Vec<String>,
}

impl Build {
    /// The image of an `Export` node.
    pub async fn made(self: &Arc<Self>, export: &Export) -> Result<Made> {
        let base = match export.base {
            Some(base) => match self.wait(base).await? {
                Value::Image(image, _) => Some(image),
                Value::Empty => None,
                _ => return Err(wrong_kind()),
            },
            None => None,
        };
        let mut descriptions = self.base_descriptions(export, base.as_deref());
        descriptions.extend(
            export
                .layers
                .iter()
                .map(|layer| self.description(layer.changeset)),
        );
        // All at the same time; and to the end, whatever becomes of one.
        let packed = join_all(
            export
                .layers
                .iter()
                .map(|layer| self.packed_node(layer.changeset)),
        )
        .await;
        let mut layers = Vec::new();
        for (layer, packed) in export.layers.iter().zip(packed) {
            layers.push((layer.history, packed?));
        }
        Ok(Made {
            base,
            tree: self.wait(export.tree).await?,
            config: export.config.clone(),
            layers,
            descriptions,
        })
    }

    /// The layer that a changeset of the graph becomes.
    async fn packed_node(self: &Arc<Self>, id: NodeId) -> Result<PackedLayer> {
        let changeset = self.wait_changeset(id).await?;
        let packed = self.packed(&changeset).await;
        packed.map_err(|error| Error::Shared(self.record(id, error)))
    }

    /// What BuildKit knows a layer of a base by.
    fn base_descriptions(&self, export: &Export, base: Option<&BaseImage>) -> Vec<String> {
        let (Some(id), Some(base)) = (export.base, base) else {
            return Vec::new();
        };
        let name = match &self.node(id).op {
            Op::Image(image) => match (&image.source, base.manifest) {
                (ImageLocation::Named(name), Some(digest)) => format!("{}@{digest}", name.name()),
                (source, _) => source.to_string(),
            },
            _ => String::new(),
        };
        vec![format!("pulled from {name}"); base.layers.len()]
    }

    /// What BuildKit knows a layer by that a step made.
    fn description(&self, changeset: NodeId) -> String {
        let upper = match &self.node(changeset).op {
            Op::Diff(diff) => self.node(diff.upper),
            _ => self.node(changeset),
        };
        match &upper.op {
            Op::Run(run) => format!("mount / from exec {}", run.command()),
            _ => upper.label.clone(),
        }
    }
}

impl Made {
    /// The image as the store keeps it, with the times that an output wants.
    pub fn record(&self, export: &PlatformExport, options: &ImageOptions) -> Result<ImageRecord> {
        let base = self.base.as_deref();
        let mut all = base.map_or_else(Vec::new, |base| base.record().layers);
        let mut times: Vec<(usize, SystemTime)> = Vec::new();
        let layer_epoch = options.layer_epoch(export);
        for (history, layer) in &self.layers {
            let variants = match layer {
                PackedLayer::New(variants) => variants,
                PackedLayer::Old(old) => {
                    all.push(old.layer().record());
                    continue;
                }
            };
            let known = variants.get(&layer_epoch);
            // Outputs that are no image take what there is.
            let record = known.or_else(|| variants.values().next());
            let record = record.ok_or_else(wrong_kind)?;
            times.extend(history.map(|history| (history, record.created)));
            all.push(LayerRecord {
                diff_id: record.layer.diff_id,
                blob: None,
            });
        }
        let epoch = options.epoch.over(export.source_date_epoch);
        let config = history::complete(
            self.config.clone(),
            base.map_or(0, |base| base.config.history.len()),
            all.iter().map(|layer| layer.diff_id).collect(),
            &times,
            &self.descriptions,
            epoch.and_then(from_epoch),
        );
        Ok(ImageRecord {
            config: config.to_json(),
            layers: all,
        })
    }
}

/// How an image is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    /// How its layers are compressed.
    pub compression: LayerCompression,
    /// With the media types of the image-spec rather than docker's.
    pub oci: bool,
    /// What its manifest is annotated with.
    pub annotations: BTreeMap<String, String>,
    /// What the descriptor of its manifest is annotated with.
    pub descriptor_annotations: BTreeMap<String, String>,
}

impl Parts {
    /// An image of the store as outputs take it: each layer has a blob. Layers that came with a base keep theirs, unless the form forces
    /// a compression on them.
    pub fn output_image(
        &self,
        record: &ImageRecord,
        platform: Platform,
        form: Form,
        cancel: &CancellationToken,
    ) -> Result<OutputImage> {
        let mut layers = Vec::new();
        for layer in &record.layers {
            layers.push(self.output_layer(layer, &form, cancel)?);
        }
        let (manifest_type, config_type) = match form.oci {
            true => (MediaType::OciManifest, MediaType::OciConfig),
            false => (MediaType::DockerManifest, MediaType::DockerConfig),
        };
        let config = Descriptor::of(config_type, &record.config);
        let descriptors = layers
            .iter()
            .map(|layer| layer.descriptor.clone())
            .collect();
        let manifest = Manifest {
            annotations: form.annotations,
            ..Manifest::new(manifest_type.clone(), config, descriptors)
        };
        Ok(OutputImage {
            manifest: manifest.to_json(),
            manifest_type,
            annotations: form.descriptor_annotations,
            platform,
            config: record.config.clone(),
            layers,
        })
    }

    /// A layer of the store as outputs take it.
    pub fn output_layer(
        &self,
        layer: &LayerRecord,
        form: &Form,
        cancel: &CancellationToken,
    ) -> Result<OutputLayer> {
        let compression = form.compression;
        let (format, digest, size) = match &layer.blob {
            Some((digest, kind)) => {
                let size = self.store.blob(digest)?.ok_or_else(|| missing(layer))?;
                let format = kind.layer_compression().unwrap_or_default();
                match compression.force && compression.format != format {
                    true => {
                        let (digest, size) =
                            self.recompress(&layer.diff_id, digest, compression, cancel)?;
                        (compression.format, digest, size)
                    }
                    false => (format, *digest, size),
                }
            }
            None => {
                let (digest, size) = self.layer_blob(&layer.diff_id, compression, cancel)?;
                (compression.format, digest, size)
            }
        };
        Ok(OutputLayer {
            descriptor: Descriptor::new(layer_type(form.oci, format), digest, size),
            diff_id: layer.diff_id,
            path: self.store.blob_path(&digest),
        })
    }
}

fn layer_type(oci: bool, format: Compression) -> MediaType {
    match oci {
        true => MediaType::OciLayer(format),
        false => MediaType::DockerLayer(format),
    }
}

fn missing(layer: &LayerRecord) -> Error {
    Error::InconsistentImage {
        image: layer.diff_id.to_string(),
        reason: "the store has an image with this layer, but not the layer".into(),
    }
}
