//! The end of lowering: the layers and the config of the target as an image.

use stromatekt_graph::op::{Diff, Export, ExportLayer};
use stromatekt_graph::{NodeId, Op};

use crate::error::Problem;
use crate::options::Options;
use crate::source::Builder;
use crate::state::State;

/// The image of a state: the layers of its base, one for each instruction that made a layer, its config.
pub fn export(builder: &mut Builder, state: &State, options: &Options) -> Result<NodeId, Problem> {
    let mut layers = Vec::new();
    for layer in &state.layers {
        let label = builder.graph.node(layer.upper).label.clone();
        let origin = builder.graph.node(layer.upper).origin.clone();
        let changeset = builder.add(
            Op::Diff(Diff {
                lower: layer.lower,
                upper: layer.upper,
            }),
            format!("layer of {label}"),
            origin,
        )?;
        layers.push(ExportLayer {
            changeset,
            history: Some(layer.history),
        });
    }
    let mut config = state.image.clone();
    config.config.labels.extend(options.labels.clone());
    config.created.clone_from(&state.created);
    if let Some(target) = options.platforms.first() {
        // A platform that was asked for is what the image is called, whatever its base says it is.
        let is_same = target.os == config.os && target.architecture == config.architecture;
        config.os.clone_from(&target.os);
        config.architecture.clone_from(&target.architecture);
        if target.variant.is_some() || !is_same {
            config.variant.clone_from(&target.variant);
        }
        if target.os_version.is_some() || !is_same {
            config.os_version.clone_from(&target.os_version);
        }
        if !target.os_features.is_empty() {
            config.os_features.clone_from(&target.os_features);
        }
    }
    let platform = config.platform();
    config.os = platform.os;
    config.architecture = platform.architecture;
    config.variant = platform.variant;
    builder.add(
        Op::Export(Box::new(Export {
            base: state.base,
            layers,
            config,
            tree: state.tree,
        })),
        "exporting to image".to_owned(),
        None,
    )
}
