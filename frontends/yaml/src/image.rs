//! Images: what is exported in the end.

use stromatekt_graph::op::{Expect, Expected, Export, ExportLayer, TreeFile, Written as WrittenOp};
use stromatekt_graph::{NodeId, Op};
use stromatekt_oci::Digest;
use stromatekt_oci::config::{History, ImageConfig};
use stromatekt_oci::time::{from_epoch, rfc3339};
use stromatekt_pipeline::{Place, Problem};

use crate::builder::Builder;
use crate::config;
use crate::made::Made;
use crate::spec::{Config, Content, Image, Stacking, Written};

impl Builder<'_> {
    /// The node of an image, and its `SOURCE_DATE_EPOCH`.
    pub fn image(&mut self, image: &Image) -> Result<(NodeId, Option<i64>), Problem> {
        let epoch = self.options.source_date_epoch.or(image.source_date_epoch);
        let node = match &image.content {
            Content::Composed {
                layers,
                config,
                expect,
            } => self.composed(image, layers, config, expect.as_ref(), epoch)?,
            Content::Written(written) => self.written(image, written)?,
        };
        Ok((node, epoch))
    }

    fn composed(
        &mut self,
        image: &Image,
        layers: &Stacking,
        spec: &Config,
        expect: Option<&(Digest, Place)>,
        epoch: Option<i64>,
    ) -> Result<NodeId, Problem> {
        let made = self.stack(&layers.uses, layers.is_ordered)?;
        let start = match &spec.from {
            Some(from) => self.made(from)?.config.as_ref().clone(),
            None => made.config.as_ref().clone(),
        };
        let created = match epoch {
            None => None,
            Some(seconds) => Some(from_epoch(seconds).map(rfc3339).ok_or_else(|| {
                image
                    .place
                    .problem(format!("there is no time {seconds} seconds from 1970"))
            })?),
        };
        let mut config = config::apply(start, spec);
        // The image is as old as its last entry.
        let entries = spec.created.as_ref().or(created.as_ref());
        let history = history(&made, spec, &mut config, entries)?;
        if config.created.is_none() {
            config.created = created;
        }
        config.config.labels.extend(self.options.labels.clone());
        if self.target.is_asked {
            config::call(&mut config, &self.target.platform);
        }
        if let Some(platform) = &spec.platform {
            config::call(&mut config, platform);
        }
        config::normalize(&mut config);
        let tree = match expect {
            None => made.tree,
            Some((digest, place)) => {
                let op = Op::Expect(Expect {
                    tree: made.tree,
                    expected: Expected::Tree(*digest),
                });
                self.add(op, format!("[{}] expect", image.name), Some(place.origin()))?
            }
        };
        let layers = made
            .layers
            .iter()
            .zip(history)
            .map(|(layer, history)| ExportLayer {
                changeset: layer.changeset,
                history: Some(history),
            });
        let export = Export {
            base: made.base,
            layers: layers.collect(),
            config,
            tree,
        };
        self.add(
            Op::Export(Box::new(export)),
            format!("exporting {}", image.name),
            Some(image.place.origin()),
        )
    }

    fn written(&mut self, image: &Image, written: &Written) -> Result<NodeId, Problem> {
        let tree = self.made(&written.by)?.tree;
        let blobs = written
            .blobs
            .iter()
            .map(|(path, media_type, digest)| TreeFile {
                tree,
                path: path.clone(),
                media_type: media_type.clone(),
                digest: *digest,
            });
        let op = WrittenOp {
            tree,
            manifests: written.manifests.clone(),
            is_index: image.is_index,
            annotations: written.annotations.iter().cloned().collect(),
            objects: self.named_objects(&written.layers, written.compression)?,
            blobs: blobs.collect(),
        };
        self.add(
            Op::Written(Box::new(op)),
            format!("exporting {}", image.name),
            Some(image.place.origin()),
        )
    }
}

/// Writes the history into a config; yields the number of each layer's entry. New entries without a time were `created` then.
fn history(
    made: &Made,
    spec: &Config,
    config: &mut ImageConfig,
    created: Option<&String>,
) -> Result<Vec<usize>, Problem> {
    let base = match made.base {
        Some(_) => made.base_history,
        None => 0,
    };
    let Some((given, place)) = &spec.history else {
        config.history.clone_from(&made.history);
        date(config, base, created);
        return Ok(made.layers.iter().map(|layer| layer.history).collect());
    };
    config.history = made
        .history
        .iter()
        .take(base)
        .chain(given)
        .cloned()
        .collect();
    date(config, base, spec.created.as_ref());
    let with_layer =
        |(number, entry): (usize, &History)| (!entry.empty_layer).then_some(number + base);
    let numbers: Vec<usize> = given.iter().enumerate().filter_map(with_layer).collect();
    match numbers.len() == made.layers.len() {
        true => Ok(numbers),
        false => Err(place
            .problem(format!(
                "this history has {} entries with a layer, but there are {} layers besides the base's",
                numbers.len(),
                made.layers.len()
            ))
            .help("`empty-layer: true` is for entries without one")),
    }
}

fn date(config: &mut ImageConfig, base: usize, created: Option<&String>) {
    for entry in config.history.iter_mut().skip(base) {
        if entry.created.is_none() {
            entry.created = created.cloned();
        }
    }
}
