//! The images of a timeline: composed of layers and a config, or with manifests that steps wrote.

use std::collections::BTreeMap;
use std::path::PathBuf;

use stromatekt_dockerfile::inherit;
use stromatekt_graph::export::{Export, ExportLayer, TreeFile, Written};
use stromatekt_graph::{NodeId, Op};
use stromatekt_oci::config::{History, ImageConfig};
use stromatekt_oci::reference::ImageReference;
use stromatekt_oci::time::{from_epoch, rfc3339};
use stromatekt_pipeline::{Place, Problem};

use crate::build::{Builder, LayerStack, Layered};
use crate::model::{ComposedLayer, ConfigItem, ExportImage, ImageContent, Timeline};
use crate::scope::{Thing, Use};
use crate::timeline::{Marks, State};

/// What stands in entries of a history that are not the user's.
const HISTORY_COMMENT: &str = "stromatekt";

/// An image.
#[derive(Clone, Debug)]
pub struct MadeImage {
    /// Its name.
    pub name: String,
    /// What makes it.
    pub node: NodeId,
    /// Whether it is an index in any case.
    pub is_index: bool,
    /// Whether a step wrote its manifests.
    pub is_written: bool,
    /// The names that it gets in the store.
    pub tags: Vec<ImageReference>,
    /// Where it is written besides.
    pub output: Option<PathBuf>,
}

/// The image that a step makes.
pub fn export(
    builder: &mut Builder<'_>,
    state: &State,
    timeline: &Timeline,
    export: &ExportImage,
    index: usize,
    marks: &Marks<'_>,
) -> Result<MadeImage, Problem> {
    let name = export.name.as_ref().unwrap_or(&timeline.name).text.clone();
    let label = marks.label(&format!("export {name}"));
    let (op, is_index, is_written) = match &export.content {
        ImageContent::Written {
            manifests,
            is_index,
            annotations,
            blobs,
        } => {
            let own = builder.finished.get(&index);
            let mut all: Vec<TreeFile> = own
                .map(|finished| finished.blobs.values().cloned().collect())
                .unwrap_or_default();
            for blob in blobs {
                all.push(builder.blob(blob, marks.here)?);
            }
            let op = Op::Written(Box::new(Written {
                tree: state.tree,
                manifests: manifests.clone(),
                is_index: *is_index,
                annotations: annotations.clone(),
                objects: state.objects.clone(),
                blobs: all,
            }));
            (op, *is_index, true)
        }
        ImageContent::Composed {
            layers,
            config_from,
            config,
        } => {
            let stack = state.whole(builder, &timeline.name)?;
            let composed = match layers {
                None => Composed::of(stack),
                Some(layers) => composed(builder, &stack, layers, &label, marks)?,
            };
            let base = match config_from {
                None => None,
                Some(name) => match builder.scope.resolve(name, marks.here, Use::Import)? {
                    // Without the config, the image is not complete, and nobody sees it.
                    Thing::Import(import) => Some(builder.config(import).unwrap_or_default()),
                    _ => None,
                },
            };
            let op = compose(builder, composed, base, config.as_deref(), marks.place)?;
            (op, false, false)
        }
    };
    let node = builder.add(op, label, marks.place)?;
    Ok(MadeImage {
        tags: export.tags.iter().map(|(tag, _)| tag.clone()).collect(),
        name,
        node,
        is_index,
        is_written,
        output: export.path.as_ref().map(PathBuf::from),
    })
}

/// The image of a timeline that exports none: its layers, and nothing in the config.
pub fn of_timeline(
    builder: &mut Builder<'_>,
    timeline: &Timeline,
    stack: LayerStack,
    place: &Place,
) -> Result<MadeImage, Problem> {
    let composed = Composed::of(stack);
    let op = compose(builder, composed, None, None, place)?;
    let name = timeline.name.text.clone();
    Ok(MadeImage {
        node: builder.add(op, format!("[{name}] export"), place)?,
        name,
        is_index: false,
        is_written: false,
        tags: Vec::new(),
        output: None,
    })
}

/// The layers that a step lists, each with its entry in the history if it has one.
fn composed(
    builder: &mut Builder<'_>,
    own: &LayerStack,
    layers: &[ComposedLayer],
    label: &str,
    marks: &Marks<'_>,
) -> Result<Composed, Problem> {
    let names = layers.iter().map(|layer| &layer.layer);
    let (image, found) = builder.composed(names, marks.here, Use::Changesets)?;
    let mut all: Vec<Layered> = Vec::new();
    let mut histories = Vec::new();
    for (several, layer) in found.into_iter().zip(layers) {
        if layer.history.is_some() && several.len() != 1 {
            let name = &layer.layer;
            return Err(name
                .place
                .problem(format!(
                    "`{}` is not one layer, so it has no one entry in the history",
                    name.text
                ))
                .help("leave `history` out, or name a changeset"));
        }
        histories.extend(vec![layer.history.clone(); several.len()]);
        all.extend(several);
    }
    let same = own.image == image
        && own
            .layers
            .iter()
            .map(|l| l.changeset)
            .eq(all.iter().map(|l| l.changeset));
    let tree = match same {
        true => own.tree,
        false => {
            let base = match image {
                Some(image) => image,
                None => builder.scratch(marks.place)?,
            };
            builder.stacked(base, &all, false, label.to_owned(), marks.place)?
        }
    };
    let stack = LayerStack {
        image,
        layers: all,
        tree,
    };
    Ok(Composed { stack, histories })
}

/// Layers, each with the entry of the history that is about it, and where that is said.
struct Composed {
    stack: LayerStack,
    histories: Vec<Option<(usize, Place)>>,
}

impl Composed {
    fn of(stack: LayerStack) -> Self {
        let histories = vec![None; stack.layers.len()];
        Self { stack, histories }
    }
}

fn compose(
    builder: &mut Builder<'_>,
    composed: Composed,
    base: Option<ImageConfig>,
    config: Option<&ConfigItem>,
    place: &Place,
) -> Result<Op, Problem> {
    let stack = composed.stack;
    let mut image = match base {
        Some(base) => inherit::from_base(base),
        None => ImageConfig::for_platform(&builder.platform),
    };
    let said = |field: &str| config?.fields.iter().find(|name| name.text == field);
    let has_own = said("history").is_some();
    // It is about layers, wherever the rest of the config is from.
    let inherited = match stack.image {
        Some(below) if !has_own || said("created").is_some() => {
            builder.config_of(below).unwrap_or_default().history
        }
        _ => Vec::new(),
    };
    image.history.clone_from(&inherited);
    if let Some(config) = config {
        image = overlaid(image, config).map_err(|error| place.problem(error.to_string()))?;
    }
    let said_created = match said("created") {
        Some(_) => image.created.clone(),
        None => None,
    };
    let own: &[History] = if has_own { &image.history } else { &[] };
    let mut histories = check_histories(&composed.histories, own)?;
    if has_own {
        defaults(&image.history, &mut histories);
        let is_inherited = |(one, other): &(&History, &History)| one == other;
        let both = image.history.iter().zip(&inherited);
        let inherited = both.take_while(is_inherited).count();
        for entry in image.history.iter_mut().skip(inherited) {
            entry.created = entry.created.take().or_else(|| said_created.clone());
        }
    } else {
        for (layer, history) in stack.layers.iter().zip(&mut histories) {
            *history = Some(image.history.len());
            image.history.push(History {
                created: said_created.clone(),
                created_by: layer.name.clone(),
                comment: HISTORY_COMMENT.to_owned(),
                ..History::default()
            });
        }
    }
    if said_created.is_none() {
        let epoch = builder.options.source_date_epoch.and_then(from_epoch);
        image.created = epoch.map(rfc3339);
    }
    let labels = builder.options.labels.clone();
    image.config.labels.extend(labels);
    let layers = stack.layers.iter().zip(histories);
    Ok(Op::Export(Box::new(Export {
        base: stack.image,
        layers: layers
            .map(|(layer, history)| ExportLayer {
                changeset: layer.changeset,
                history,
            })
            .collect(),
        config: image,
        tree: stack.tree,
    })))
}

/// The entries of the user's history that layers name must be there, be about a layer, and about one alone.
fn check_histories(
    named: &[Option<(usize, Place)>],
    history: &[History],
) -> Result<Vec<Option<usize>>, Problem> {
    let mut known: BTreeMap<usize, &Place> = BTreeMap::new();
    for (number, place) in named.iter().flatten() {
        let wrong = match history.get(*number) {
            None if history.is_empty() => place
                .problem(format!(
                    "there is no history that entry {number} could be in"
                ))
                .help("write `history` into `config`"),
            None => place
                .problem(format!(
                    "there is no entry {number} in the history, which has {}",
                    history.len()
                ))
                .help("the first is 0"),
            Some(entry) if entry.empty_layer => place
                .problem(format!(
                    "entry {number} of the history says that it made no layer"
                ))
                .help("leave `empty_layer` out there, or name another entry"),
            Some(_) => match known.insert(*number, place) {
                None => continue,
                Some(first) => place
                    .problem(format!("entry {number} of the history is about two layers"))
                    .also("it is about this one", first.clone()),
            },
        };
        return Err(wrong);
    }
    let number = |one: &Option<(usize, Place)>| one.as_ref().map(|(number, _)| *number);
    Ok(named.iter().map(number).collect())
}

/// Where nothing is said, the last entries that made layers are about the layers on top.
pub fn defaults(history: &[History], wanted: &mut [Option<usize>]) {
    if wanted.iter().any(Option::is_some) {
        return;
    }
    let made: Vec<usize> = history
        .iter()
        .enumerate()
        .filter(|(_, entry)| !entry.empty_layer)
        .map(|(number, _)| number)
        .collect();
    if let Some(first) = made.len().checked_sub(wanted.len()) {
        for (wanted, number) in wanted.iter_mut().zip(made.iter().skip(first)) {
            *wanted = Some(*number);
        }
    }
}

/// A config with the fields that the user set.
fn overlaid(image: ImageConfig, config: &ConfigItem) -> Result<ImageConfig, stromatekt_oci::Error> {
    let json = |image: &ImageConfig| -> serde_json::Value {
        serde_json::from_slice(&image.to_json()).unwrap_or_default()
    };
    let (mut whole, set) = (json(&image), json(&config.config));
    for field in &config.fields {
        let (into, from, name) = match field.text.strip_prefix("config.") {
            Some(name) => (&mut whole["config"], &set["config"], name),
            None => (&mut whole, &set, field.text.as_str()),
        };
        if let Some(into) = into.as_object_mut() {
            match from.get(name) {
                Some(value) => into.insert(name.to_owned(), value.clone()),
                // What is empty is not written.
                None => into.remove(name),
            };
        }
    }
    ImageConfig::parse(whole.to_string().as_bytes(), "the pipeline")
}
