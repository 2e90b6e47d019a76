//! Changesets as values: where they are until somebody wants them as layers.

use std::sync::Arc;

use stromatekt_graph::op::{Diff, Layer};
use stromatekt_graph::{NodeId, digest};
use stromatekt_oci::{Compression, Digest};
use stromatekt_store::LayerRecord;
use tokio::sync::OnceCell;

use crate::build::{Build, Value, wrong_kind};
use crate::error::{Error, Result};
use crate::export::Form;
use crate::images::{BaseImage, BaseLayer, empty_tree};
use crate::layers::LayerVariants;
use crate::request::LayerCompression;

/// A changeset. It is packed only where an image or a description of layers needs it.
#[derive(Debug)]
pub(crate) enum Changeset {
    /// What two trees differ in.
    Between {
        /// The tree before; the empty tree where absent.
        lower: Option<Value>,
        /// The tree after.
        upper: Value,
        /// Its layer, once it is packed.
        packed: OnceCell<Arc<LayerVariants>>,
    },
    /// A layer that came with an image.
    OfImage(ImageLayer),
}

/// A layer that came with an image.
#[derive(Clone, Debug)]
pub(crate) struct ImageLayer {
    /// The image.
    pub image: Arc<BaseImage>,
    /// Its node.
    pub node: NodeId,
    /// Which layer, the lowest is 0.
    pub index: usize,
}

impl ImageLayer {
    /// What the image has at this place.
    pub fn layer(&self) -> &BaseLayer {
        &self.image.layers[self.index]
    }
}

/// A changeset as a layer.
#[derive(Clone, Debug)]
pub(crate) enum PackedLayer {
    /// Made by this build or an earlier one.
    New(Arc<LayerVariants>),
    /// Came with an image.
    Old(ImageLayer),
}

impl Build {
    /// The value of a `Diff` node.
    pub async fn changeset(self: &Arc<Self>, diff: &Diff) -> Result<Changeset> {
        let lower = match diff.lower {
            // The empty tree has one name only: none.
            Some(id) => Some(self.wait(id).await?).filter(|value| !matches!(value, Value::Empty)),
            None => None,
        };
        Ok(Changeset::Between {
            lower,
            upper: self.wait(diff.upper).await?,
            packed: OnceCell::new(),
        })
    }

    /// The value of a `Layer` node.
    pub async fn image_layer(self: &Arc<Self>, layer: &Layer) -> Result<Changeset> {
        let Value::Image(image, node) = self.wait(layer.image).await? else {
            return Err(wrong_kind());
        };
        let (index, count) = (layer.index, image.layers.len());
        if index >= count {
            return Err(Error::Unsupported {
                what: format!("the image has no layer {index}: it has {count}"),
                hint: "the lowest layer is 0".into(),
            });
        }
        Ok(Changeset::OfImage(ImageLayer { image, node, index }))
    }

    /// The changeset that a node yields.
    pub async fn wait_changeset(self: &Arc<Self>, id: NodeId) -> Result<Arc<Changeset>> {
        match self.wait(id).await? {
            Value::Changeset(changeset) => Ok(changeset),
            _ => Err(wrong_kind()),
        }
    }

    /// What a changeset is known by: equal identity, equal layer.
    pub async fn changeset_id(self: &Arc<Self>, changeset: &Changeset) -> Result<Digest> {
        Ok(match changeset {
            Changeset::Between { lower, upper, .. } => {
                let lower = match lower {
                    Some(value) => self.tree_id(value).await?,
                    None => empty_tree(),
                };
                let upper = self.tree_id(upper).await?;
                Digest::of(format!("from {} to {}", lower.0, upper.0))
            }
            Changeset::OfImage(layer) => layer.layer().diff_id,
        })
    }

    /// A changeset as a layer, packed where it is not yet.
    pub async fn packed(self: &Arc<Self>, changeset: &Changeset) -> Result<PackedLayer> {
        match changeset {
            Changeset::OfImage(layer) => Ok(PackedLayer::Old(layer.clone())),
            Changeset::Between {
                lower,
                upper,
                packed,
            } => {
                let pack = || self.layer_variants(lower.as_ref(), upper);
                let variants = packed.get_or_try_init(pack).await?;
                Ok(PackedLayer::New(Arc::clone(variants)))
            }
        }
    }

    /// A changeset as a layer whose times are those of its files, as the store keeps it.
    pub async fn recorded_layer(
        self: &Arc<Self>,
        id: NodeId,
        changeset: &Changeset,
    ) -> Result<LayerRecord> {
        match changeset {
            Changeset::OfImage(layer) => {
                let (image, layer) = (&layer.image, layer.layer());
                let vertex = self.vertex(id);
                self.parts
                    .keep_blob(image, layer, vertex, &self.cancel)
                    .await?;
                Ok(layer.record())
            }
            Changeset::Between { lower, upper, .. } => {
                let record = self.layer_until(lower.as_ref(), upper, None).await?;
                Ok(LayerRecord {
                    diff_id: record.layer.diff_id,
                    blob: None,
                })
            }
        }
    }

    /// The key of a step that takes changesets, or layers, by what they are known by.
    pub fn key_of(&self, id: NodeId, inputs: &[Digest]) -> Digest {
        digest::definition(&self.node(id).op, inputs)
    }
}

/// How layers are written that a step names by their digests: nothing may change them later.
pub(crate) fn fixed_form(compression: Compression) -> Form {
    Form {
        compression: LayerCompression {
            format: compression,
            ..LayerCompression::default()
        },
        oci: true,
        ..Form::default()
    }
}
