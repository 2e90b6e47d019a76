//! The graph under construction, with the nodes that names stand for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stromatekt_graph::export::TreeFile;
use stromatekt_graph::op::{Context, Diff, Http, Op, Scratch, Stack, StackLayer};
use stromatekt_graph::{Graph, Node, NodeId};
use stromatekt_oci::compress::Compression;
use stromatekt_oci::platform::Platform;
use stromatekt_pipeline::{ImageConfigs, ImageRequest, Options, Place, Problem};

use crate::image::MadeImage;
use crate::model::{Name, Pipeline, SourceKind};
use crate::scope::{Here, Scope, Thing, Use};

/// The name of the build context in a graph.
const CONTEXT: &str = "context";

/// A changeset in a layer stack.
#[derive(Clone, Debug)]
pub struct Layered {
    /// Its node.
    pub changeset: NodeId,
    /// What the user knows it by.
    pub name: String,
    /// How it is compressed as a layer; nothing for a layer of an image, which is compressed already.
    pub compression: Option<Compression>,
    /// Whether the timeline wrote it itself.
    pub is_own: bool,
}

/// Layers with the tree that they make.
#[derive(Clone, Debug)]
pub struct LayerStack {
    /// An image whose layers are all below.
    pub image: Option<NodeId>,
    /// Changesets on top.
    pub layers: Vec<Layered>,
    /// The tree.
    pub tree: NodeId,
}

/// What came of a timeline.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its layers.
    pub stack: LayerStack,
    /// The changesets that its steps made, by step.
    pub changesets: BTreeMap<usize, Layered>,
    /// The blobs that its steps made, by step and file.
    pub blobs: BTreeMap<(usize, usize), TreeFile>,
    /// Its images, by step.
    pub images: BTreeMap<usize, MadeImage>,
}

/// The graph under construction for one platform after the other.
pub struct Builder<'a> {
    /// The pipeline.
    pub pipeline: &'a Pipeline,
    /// Its names.
    pub scope: &'a Scope<'a>,
    /// The directory of the pipeline's file.
    pub directory: &'a Path,
    /// What the user said besides.
    pub options: &'a Options,
    /// Where images are instead of where the pipeline says.
    pub overrides: &'a BTreeMap<String, PathBuf>,
    /// The configs that are known.
    pub configs: &'a ImageConfigs,
    /// The platform that is built for now.
    pub platform: Platform,
    /// The graph so far.
    pub graph: Graph,
    /// Images whose configs must be known first.
    pub requests: Vec<ImageRequest>,
    /// Directories that the graph reads.
    pub contexts: BTreeMap<String, PathBuf>,
    /// Whether the graph reads the build context.
    pub uses_context: bool,
    /// The timelines that are done for this platform.
    pub finished: BTreeMap<usize, Finished>,
}

impl Builder<'_> {
    /// Appends a node that may be answered from the cache.
    pub fn add(&mut self, op: Op, label: String, place: &Place) -> Result<NodeId, Problem> {
        self.node(op, label, place, false)
    }

    /// Appends a step of the user's.
    pub fn step(&mut self, op: Op, label: String, place: &Place) -> Result<NodeId, Problem> {
        self.node(op, label, place, self.options.no_cache)
    }

    fn node(
        &mut self,
        op: Op,
        label: String,
        place: &Place,
        no_cache: bool,
    ) -> Result<NodeId, Problem> {
        let node = Node {
            op,
            label,
            origin: Some(place.origin()),
            no_cache,
        };
        self.graph
            .add(node)
            .map_err(|error| place.problem(error.to_string()))
    }

    /// The empty tree, for something at this place.
    pub fn scratch(&mut self, place: &Place) -> Result<NodeId, Problem> {
        let node = Node {
            op: Op::Scratch(Scratch),
            label: "[internal] empty tree".to_owned(),
            origin: None,
            no_cache: false,
        };
        let added = self.graph.add(node);
        added.map_err(|error| place.problem(error.to_string()))
    }

    /// A tree, or nothing if it is the empty one.
    pub fn unless_empty(&self, tree: NodeId) -> Option<NodeId> {
        (!matches!(self.graph.node(tree).op, Op::Scratch(_))).then_some(tree)
    }

    /// The difference of two trees.
    pub fn diff(
        &mut self,
        lower: NodeId,
        upper: NodeId,
        name: &str,
        place: &Place,
    ) -> Result<NodeId, Problem> {
        let lower = self.unless_empty(lower);
        let op = Op::Diff(Diff { lower, upper });
        self.add(op, format!("changeset {name}"), place)
    }

    /// Changesets on top of a tree.
    pub fn stacked(
        &mut self,
        base: NodeId,
        layers: &[Layered],
        is_exclusive: bool,
        label: String,
        place: &Place,
    ) -> Result<NodeId, Problem> {
        if layers.is_empty() {
            return Ok(base);
        }
        let layer = |layer: &Layered| StackLayer {
            changeset: layer.changeset,
            name: layer.name.clone(),
        };
        let op = Op::Stack(Stack {
            base: self.unless_empty(base),
            layers: layers.iter().map(layer).collect(),
            is_exclusive,
        });
        self.add(op, label, place)
    }

    /// The files of something.
    pub fn tree(&mut self, name: &Name, here: Here) -> Result<NodeId, Problem> {
        match self.scope.resolve(name, here, Use::Tree)? {
            Thing::Changeset { .. } | Thing::ImportLayer(..) => {
                let layers = self.changesets(name, here, Use::Changeset)?;
                let empty = self.scratch(&name.place)?;
                let label = format!("[internal] files of {}", name.text);
                self.stacked(empty, &layers, false, label, &name.place)
            }
            thing => Ok(self.stack_of(thing, &name.place)?.tree),
        }
    }

    /// The build context.
    pub fn context(&mut self, place: &Place) -> Result<NodeId, Problem> {
        Ok(self.stack_of(Thing::Context, place)?.tree)
    }

    /// The layers of something that a timeline can stand on.
    pub fn stack(&mut self, name: &Name, here: Here) -> Result<LayerStack, Problem> {
        let thing = self.scope.resolve(name, here, Use::Stack)?;
        self.stack_of(thing, &name.place)
    }

    fn stack_of(&mut self, thing: Thing, place: &Place) -> Result<LayerStack, Problem> {
        match thing {
            Thing::Scratch => Ok(LayerStack {
                image: None,
                layers: Vec::new(),
                tree: self.scratch(place)?,
            }),
            Thing::Import(index) => {
                let tree = self.import(index)?;
                Ok(LayerStack {
                    image: Some(tree),
                    layers: Vec::new(),
                    tree,
                })
            }
            Thing::Timeline(index) => self
                .finished_timeline(index, place)
                .map(|f| f.stack.clone()),
            Thing::Context => {
                self.uses_context = true;
                let op = Op::Context(Context {
                    name: CONTEXT.to_owned(),
                });
                let label = "[internal] load build context".to_owned();
                let tree = self.add(op, label, place)?;
                self.files_as_layer(tree, CONTEXT, place)
            }
            Thing::Source(index) => {
                let pipeline = self.pipeline;
                let source = &pipeline.sources[index];
                let name = &source.name.text;
                let tree = self.source(index)?;
                self.files_as_layer(tree, name, place)
            }
            Thing::ImportLayer(..) | Thing::Changeset { .. } | Thing::Blob { .. } => {
                Err(place.problem("this has no layers"))
            }
        }
    }

    /// Files without layers of their own are one.
    fn files_as_layer(
        &mut self,
        tree: NodeId,
        name: &str,
        place: &Place,
    ) -> Result<LayerStack, Problem> {
        let empty = self.scratch(place)?;
        let changeset = self.diff(empty, tree, name, place)?;
        Ok(LayerStack {
            image: None,
            layers: vec![Layered {
                changeset,
                name: name.to_owned(),
                compression: Some(Compression::Gzip),
                is_own: false,
            }],
            tree,
        })
    }

    /// The node of a source.
    pub fn source(&mut self, index: usize) -> Result<NodeId, Problem> {
        let pipeline = self.pipeline;
        let source = &pipeline.sources[index];
        let (op, from) = match &source.kind {
            SourceKind::Git(git) => (Op::Git(git.clone()), git.remote.clone()),
            SourceKind::Http { url, checksum } => {
                let http = Http {
                    url: url.clone(),
                    checksum: *checksum,
                };
                (Op::Http(http), url.clone())
            }
            SourceKind::Directory { context, path } => {
                let place = self.directory.join(path);
                self.contexts.insert(context.clone(), place);
                let name = context.clone();
                (Op::Context(Context { name }), path.clone())
            }
        };
        let label = format!("[{}] load {from}", source.name.text);
        self.add(op, label, &source.name.place)
    }

    fn finished_timeline(&self, index: usize, place: &Place) -> Result<&Finished, Problem> {
        self.finished
            .get(&index)
            .ok_or_else(|| place.problem("this timeline is not done yet"))
    }

    /// The changesets of something, the lowest first.
    pub fn changesets(
        &mut self,
        name: &Name,
        here: Here,
        wanted: Use,
    ) -> Result<Vec<Layered>, Problem> {
        let thing = self.scope.resolve(name, here, wanted)?;
        match thing {
            Thing::Changeset { timeline, step } => {
                let known = self.finished_timeline(timeline, &name.place)?;
                match known.changesets.get(&step) {
                    Some(changeset) => Ok(vec![changeset.clone()]),
                    None => Err(name.place.problem("this changeset is not there yet")),
                }
            }
            Thing::ImportLayer(index, number) => {
                if let Some(count) = self.layer_count(index)
                    && number >= count
                {
                    let import = &self.pipeline.images[index].name.text;
                    return Err(name
                        .place
                        .problem(format!(
                            "the image `{import}` has no layer {number}: it has {count}"
                        ))
                        .help("the lowest is 0"));
                }
                Ok(vec![self.image_layer(index, number, &name.place)?])
            }
            Thing::Import(index) => self.image_layers(index, &name.place),
            thing => {
                let stack = self.stack_of(thing, &name.place)?;
                let mut layers = Vec::new();
                if let Some(image) = stack.image
                    && let Some(index) = self.import_of(image)
                {
                    layers.extend(self.image_layers(index, &name.place)?);
                }
                layers.extend(stack.layers);
                Ok(layers)
            }
        }
    }

    /// The layers of several things on top of each other: the image that they begin with, if they do with a whole one, and the rest.
    pub fn composed<'n>(
        &mut self,
        names: impl Iterator<Item = &'n Name>,
        here: Here,
        wanted: Use,
    ) -> Result<(Option<NodeId>, Vec<Vec<Layered>>), Problem> {
        let mut image = None;
        let mut layers = Vec::new();
        for (position, name) in names.enumerate() {
            let thing = self.scope.resolve(name, here, wanted)?;
            let whole = match thing {
                Thing::Import(_) | Thing::Timeline(_) if position == 0 => {
                    Some(self.stack_of(thing, &name.place)?)
                }
                _ => None,
            };
            layers.push(match whole {
                Some(stack) => {
                    image = stack.image;
                    stack.layers
                }
                None => self.changesets(name, here, wanted)?,
            });
        }
        Ok((image, layers))
    }

    /// A blob that a step made.
    pub fn blob(&self, name: &Name, here: Here) -> Result<TreeFile, Problem> {
        match self.scope.resolve(name, here, Use::Blob)? {
            Thing::Blob {
                timeline,
                step,
                file,
            } => {
                let known = self.finished_timeline(timeline, &name.place)?;
                known
                    .blobs
                    .get(&(step, file))
                    .cloned()
                    .ok_or_else(|| name.place.problem("this blob is not there yet"))
            }
            _ => Err(name.place.problem("this is no blob")),
        }
    }
}
