//! What was written, read again: the same images must come of it.

use std::collections::BTreeMap;

use stromatekt_graph::file::{Copy, CopySource, FileAction, Unpack};
use stromatekt_graph::op::Op;
use stromatekt_graph::{Graph, NodeId};
use stromatekt_oci::platform::Platform;
use stromatekt_pipeline::{Document, ImageConfigs, Lowering, Options};

use crate::lower;
use crate::write::{ImageToWrite, WriteError};

/// Compares the definitions of images with those that come of a text. Where further configs are needed for that, and where copies have what
/// means nothing for them and so is not written, there is nothing to compare.
pub fn check(
    text: &str,
    graph: &Graph,
    images: &[ImageToWrite],
    platform: &Platform,
    configs: &ImageConfigs,
) -> Result<(), WriteError> {
    let differs = |image: &str, reason: String| WriteError::Differs {
        image: image.to_owned(),
        reason,
    };
    let names = || {
        let names = images.iter().map(|image| image.name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let options = Options {
        host: platform.clone(),
        // Those who build it must give them; that it can be written does not depend on that.
        allows_host_network: true,
        allows_insecure: true,
        ..Options::default()
    };
    let lowering = Document::parse_json("pipeline.json", text)
        .and_then(|document| lower(&document, &options, configs, &BTreeMap::new()))
        .map_err(|problem| differs(&names(), problem.to_string()))?;
    let Lowering::Done(lowered) = lowering else {
        return Ok(());
    };
    for (image, again) in images.iter().zip(&lowered.images) {
        let same = again
            .exports
            .iter()
            .all(|export| lowered.graph.digest(export.node) == graph.digest(image.node));
        if !same && !has_more_than_is_written(graph, image.node) {
            let reason = "its steps or its config come out otherwise";
            return Err(differs(&image.name, reason.to_owned()));
        }
    }
    Ok(())
}

/// Whether a copy has something that files of its type do not have in a pipeline.
fn has_more_than_is_written(graph: &Graph, image: NodeId) -> bool {
    let is_more = |copy: &Copy| {
        let of_trees = copy.parents || !copy.exclude.is_empty();
        match copy.from {
            CopySource::Tree { .. } => false,
            CopySource::Blob { .. } => of_trees,
            CopySource::Inline { .. } => of_trees || copy.unpack != Unpack::Never,
        }
    };
    graph
        .needed(&[image])
        .into_iter()
        .any(|id| match &graph.node(id).op {
            Op::File(file) => file.actions.iter().any(|action| match action {
                FileAction::Copy(copy) => is_more(copy),
                FileAction::MakeDirectory { .. } => false,
            }),
            _ => false,
        })
}
