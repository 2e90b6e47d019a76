//! A graph as a JSON pipeline that makes the same images: of trees that nothing branches off, a timeline is made.
//!
//! A timeline begins where a tree is used by something other than the one step that follows it: then it has a name, its result. Names of
//! changesets are those of snapshots between steps. Each image has a timeline of its own.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde_json::{Map, Value, json};
use stromatekt_graph::op::{Expected, ImageLocation, Op};
use stromatekt_graph::{Graph, NodeId};
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_pipeline::ImageConfigs;

use crate::write_chains::{Ending, chains, root};
use crate::write_check;
use crate::write_names::Names;
use crate::write_steps::{self, BlobKey};

/// An image that is to be written as a part of a pipeline.
#[derive(Clone, Debug)]
pub struct ImageToWrite {
    /// Its name.
    pub name: String,
    /// The [`Export`] or [`Written`] that makes it.
    pub node: NodeId,
    /// The names that it gets in the store.
    pub tags: Vec<ImageReference>,
    /// The OCI layout that it is written to besides.
    pub output: Option<PathBuf>,
}

/// Why a graph is no JSON pipeline.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WriteError {
    /// A changeset that is not between two steps of one timeline.
    #[error(
        "cannot write the changeset of `{label}` as JSON: it begins in the middle of other steps"
    )]
    Changeset {
        /// The label of the step at its end.
        label: String,
    },
    /// An image whose layers are not those of its tree.
    #[error(
        "cannot write the image {image} as JSON: its layers are not those that its steps leave"
    )]
    Layers {
        /// The image.
        image: String,
    },
    /// A field that configs of pipelines do not have.
    #[error("cannot write the image {image} as JSON: its config has the field `{field}`")]
    ConfigField {
        /// The image.
        image: String,
        /// The field.
        field: String,
    },
    /// What was written is not the same.
    #[error("cannot write the image {image} as JSON: what was written is not the same ({reason})")]
    Differs {
        /// The image.
        image: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that a step is given that JSON has no place for.
    #[error("cannot write `{label}` as JSON: {reason}")]
    Step {
        /// The label of the step.
        label: String,
        /// Why not.
        reason: &'static str,
    },
}

/// The pipeline that makes these images. `platform` is the one that it is built for, `contexts` are the local directories that the graph
/// reads besides the build context: where each is, relative to the file. `configs` are those of the images that the graph begins with.
///
/// # Errors
/// When the graph has something that no pipeline makes.
pub fn write(
    graph: &Graph,
    images: &[ImageToWrite],
    platform: &Platform,
    contexts: &BTreeMap<String, PathBuf>,
    configs: &ImageConfigs,
) -> Result<String, WriteError> {
    let text = written(graph, images, platform, contexts)?;
    write_check::check(&text, graph, images, platform, configs)?;
    Ok(text)
}

fn written(
    graph: &Graph,
    images: &[ImageToWrite],
    platform: &Platform,
    contexts: &BTreeMap<String, PathBuf>,
) -> Result<String, WriteError> {
    let targets: Vec<NodeId> = images.iter().map(|image| image.node).collect();
    let needed = graph.needed(&targets);
    let mut writer = Writer {
        graph,
        names: Names::default(),
        ends: HashMap::new(),
        changesets: HashMap::new(),
        blobs: HashMap::new(),
        stacks: HashMap::new(),
        timelines: Vec::new(),
    };
    let (imports, sources) = writer.sources(&needed, platform, contexts);
    for chain in chains(graph, &needed) {
        writer.timeline(&chain, &needed)?;
    }
    for image in images {
        writer.image(image)?;
    }
    let mut top = Map::new();
    let reads_context = |id: &NodeId| matches!(&graph.node(*id).op, Op::Context(context) if context.name == "context");
    if needed.iter().any(reads_context) {
        top.insert("files".to_owned(), json!({"/": "directory"}));
    }
    for (name, list) in [
        ("images", imports),
        ("sources", sources),
        ("timelines", writer.timelines),
    ] {
        if !list.is_empty() {
            top.insert(name.to_owned(), list.into());
        }
    }
    Ok(format!("{:#}\n", Value::Object(top)))
}

/// The layers of a tree, where they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    /// The image below them.
    pub image: Option<NodeId>,
    /// Nothing for changes that no node of the graph is the changeset of.
    pub layers: Vec<Option<NodeId>>,
}

/// A pipeline under construction.
pub struct Writer<'g> {
    /// The graph.
    pub graph: &'g Graph,
    /// The names that are taken.
    pub names: Names,
    /// What the trees are called that have a name.
    ends: HashMap<NodeId, String>,
    /// What changesets are called.
    changesets: HashMap<NodeId, String>,
    /// What files are called that are blobs.
    pub blobs: HashMap<(NodeId, BlobKey), String>,
    /// The layers of trees.
    pub stacks: HashMap<NodeId, Stack>,
    /// The timelines so far.
    pub timelines: Vec<Value>,
}

impl Writer<'_> {
    fn sources(
        &mut self,
        needed: &[NodeId],
        platform: &Platform,
        contexts: &BTreeMap<String, PathBuf>,
    ) -> (Vec<Value>, Vec<Value>) {
        let (mut imports, mut sources) = (Vec::new(), Vec::new());
        for id in needed {
            match &self.graph.node(*id).op {
                Op::Image(image) => {
                    let name = self.names.fresh(&match &image.source {
                        ImageLocation::Named(reference) => last(&reference.familiar_name()),
                        ImageLocation::Layout { path, .. } => last(&path.to_string_lossy()),
                    });
                    let mut import = json!({"importType": "layer", "image": write_steps::location(&image.source)});
                    if image.platform != platform.normalized() {
                        import["platform"] = image.platform.to_string().into();
                    }
                    import["resultVar"] = name.as_str().into();
                    imports.push(import);
                    self.tree_is(*id, format!("imports.{name}"), Some(*id));
                }
                Op::Git(git) => {
                    let name = self.names.fresh(&last(git.remote.trim_end_matches(".git")));
                    sources.push(write_steps::git(&name, git));
                    self.tree_is(*id, format!("sources.{name}"), None);
                }
                Op::Http(http) => {
                    let url = http.url.split(['?', '#']).next().unwrap_or_default();
                    let name = self.names.fresh(&last(url));
                    sources.push(write_steps::http(&name, http));
                    self.ends.insert(*id, format!("sources.{name}"));
                }
                Op::Context(context) if context.name == "context" => {
                    self.tree_is(*id, "context".to_owned(), None);
                }
                Op::Context(context) => {
                    let name = self.names.fresh(&context.name);
                    let path = contexts.get(&context.name);
                    let path = path.map_or(".".into(), |path| path.to_string_lossy());
                    let mut source =
                        json!({"sourceType": "directory", "resultVar": name, "path": path});
                    if name != context.name {
                        source["contextName"] = context.name.as_str().into();
                    }
                    sources.push(source);
                    self.tree_is(*id, format!("sources.{name}"), None);
                }
                Op::Scratch(_) => {
                    self.ends.insert(*id, "scratch".to_owned());
                    self.stacks.insert(*id, Stack::default());
                }
                Op::Layer(layer) => {
                    if let Some(image) = self.ends.get(&layer.image) {
                        let name = format!("{image}.layers.{}", layer.index);
                        self.changesets.insert(*id, name);
                    }
                }
                // Files that are no image are one layer where they are used as one.
                Op::Diff(diff)
                    if diff.lower.is_none()
                        && matches!(
                            self.graph.node(diff.upper).op,
                            Op::Context(_) | Op::Git(_)
                        ) =>
                {
                    if let Some(name) = self.ends.get(&diff.upper) {
                        self.changesets.insert(*id, name.clone());
                        let layers = vec![Some(*id)];
                        self.stacks.insert(
                            diff.upper,
                            Stack {
                                image: None,
                                layers,
                            },
                        );
                    }
                }
                _ => {}
            }
        }
        (imports, sources)
    }

    fn tree_is(&mut self, id: NodeId, name: String, image: Option<NodeId>) {
        self.ends.insert(id, name);
        let layers = match image {
            Some(_) => Vec::new(),
            None => vec![None],
        };
        self.stacks.insert(id, Stack { image, layers });
    }

    /// What a tree is called, or a file of a web server.
    pub fn name_of(&self, id: NodeId, user: NodeId) -> Result<&str, WriteError> {
        let name = self.ends.get(&id).map(String::as_str);
        name.ok_or_else(|| self.cannot(user, "it uses a tree that has no name"))
    }

    /// What a changeset is called.
    pub fn changeset(&self, id: NodeId) -> Result<&str, WriteError> {
        match self.changesets.get(&id) {
            Some(name) => Ok(name),
            None => Err(WriteError::Changeset {
                label: self.graph.node(id).label.clone(),
            }),
        }
    }

    /// A step cannot be written.
    pub fn cannot(&self, id: NodeId, reason: &'static str) -> WriteError {
        WriteError::Step {
            label: self.graph.node(id).label.clone(),
            reason,
        }
    }

    /// A timeline of these operations.
    fn timeline(&mut self, chain: &[NodeId], needed: &[NodeId]) -> Result<(), WriteError> {
        let (Some(first), Some(last)) = (chain.first(), chain.last()) else {
            return Ok(());
        };
        let name = self.names.of_label(&self.graph.node(*first).label);
        let base = root(&self.graph.node(*first).op).flatten();
        let mut steps = Vec::new();
        let mut stack = Stack::default();
        if let Some(base) = base {
            stack = self.stacks.get(&base).cloned().unwrap_or_default();
            steps.extend(self.apply(base, *first)?);
        }
        let ending = Ending::of(self.graph, chain, needed);
        // What the open changes began on; the empty tree where absent.
        let is_scratch = |tree: &NodeId| matches!(self.graph.node(*tree).op, Op::Scratch(_));
        let mut mark = base.filter(|base| !is_scratch(base));
        let mut vars = 0;
        let mut tree = mark;
        for id in chain {
            let op = &self.graph.node(*id).op;
            if let Op::Expect(expect) = op
                && let Expected::Layer { lower, .. } = &expect.expected
                && *lower != mark
            {
                return Err(self.cannot(*id, "it is about several changesets"));
            }
            let is_clean = tree == mark;
            if let (Op::Stack(_), false) = (op, is_clean) {
                steps.push(json!({"stepType": "snapshot-changeset"}));
                stack.layers.push(None);
            }
            steps.push(write_steps::step(self, *id, op)?);
            match op {
                Op::Stack(more) => {
                    let layers = more.layers.iter().map(|layer| Some(layer.changeset));
                    stack.layers.extend(layers);
                    mark = Some(*id);
                }
                Op::Expect(_) if is_clean => mark = Some(*id),
                _ => {}
            }
            tree = Some(*id);
            if let Some(changesets) = ending.changesets.get(id) {
                for (changeset, lower) in changesets {
                    if *lower != mark || changesets.len() > 1 {
                        return Err(WriteError::Changeset {
                            label: self.graph.node(*id).label.clone(),
                        });
                    }
                    vars += 1;
                    let var = format!("layer-{vars}");
                    steps.push(json!({"stepType": "snapshot-changeset", "var": var}));
                    self.changesets
                        .insert(*changeset, format!("{name}.result.{var}"));
                    stack.layers.push(Some(*changeset));
                    mark = Some(*id);
                }
            } else if ending.marks.contains(id) && mark != Some(*id) {
                steps.push(json!({"stepType": "snapshot-changeset"}));
                stack.layers.push(None);
                mark = Some(*id);
            }
            let files = ending.blobs.get(id);
            for (number, file) in files.into_iter().flatten().enumerate() {
                let var = format!("blob-{}-{}", steps.len(), number + 1);
                steps.push(write_steps::blob(&var, file));
                let key = (*id, file.clone());
                self.blobs.insert(key, format!("{name}.result.{var}"));
            }
        }
        if tree != mark {
            stack.layers.push(None);
        }
        self.ends.insert(*last, format!("{name}.result"));
        self.stacks.insert(*last, stack);
        self.timelines
            .push(json!({"resultVar": name, "steps": steps}));
        Ok(())
    }

    /// The step that puts a tree below a new timeline; none for the empty one.
    pub fn apply(&self, base: NodeId, user: NodeId) -> Result<Option<Value>, WriteError> {
        Ok(match &self.graph.node(base).op {
            Op::Scratch(_) => None,
            _ => Some(json!({"stepType": "apply", "layerStack": self.name_of(base, user)?})),
        })
    }
}

/// The last part of a path or name.
pub fn last(text: &str) -> String {
    let trimmed = text.trim_end_matches('/');
    trimmed.rsplit('/').next().unwrap_or(trimmed).to_owned()
}
