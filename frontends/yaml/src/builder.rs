//! The graph under construction: units become nodes, each once for a platform.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::rc::Rc;

use stromatekt_dockerfile::{inherit, paths};
use stromatekt_graph::file::{Copy, CopySource, FileAction, Unpack};
use stromatekt_graph::op::{Context, File, Image, Scratch};
use stromatekt_graph::{Graph, GraphError, Node, NodeId, Op, Origin};
use stromatekt_oci::config::{History, ImageConfig};
use stromatekt_oci::platform::Platform;
use stromatekt_pipeline::{ImageConfigs, Options, Place, Problem};

use crate::made::{Below, Made, MadeLayer};
use crate::names::CONTEXT;
use crate::program::Program;
use crate::spec::{Spec, UnitId, Use};

/// What new entries of a history say of where they are from.
pub const COMMENT: &str = "stromatekt";

/// A platform that is built for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// The platform.
    pub platform: Platform,
    /// Whether somebody asked for it: then images are called so, whatever their base says.
    pub is_asked: bool,
}

/// The graph under construction.
#[derive(Debug)]
pub struct Builder<'a> {
    /// The graph so far.
    pub graph: Graph,
    /// The local directories that it reads.
    pub contexts: BTreeMap<String, PathBuf>,
    /// Whether it reads the build context.
    pub uses_context: bool,
    /// What the user asks for.
    pub options: &'a Options,
    /// The configs of bases.
    pub configs: &'a ImageConfigs,
    /// What tasks that are Dockerfiles became, by target and unit.
    pub stages: HashMap<(Target, UnitId), stromatekt_dockerfile::Lowered>,
    /// What is built for.
    pub target: Target,
    program: &'a Program,
    units: HashMap<UnitId, Made>,
}

impl<'a> Builder<'a> {
    /// An empty graph, to be filled with what this program says.
    pub fn new(
        options: &'a Options,
        configs: &'a ImageConfigs,
        program: &'a Program,
        target: Target,
    ) -> Self {
        Self {
            graph: Graph::new(),
            contexts: BTreeMap::new(),
            uses_context: false,
            options,
            configs,
            stages: HashMap::new(),
            target,
            program,
            units: HashMap::new(),
        }
    }

    /// Goes on with what the program says for another target.
    pub fn turn_to(&mut self, program: &'a Program, target: Target) {
        self.program = program;
        self.target = target;
        self.units.clear();
    }

    /// What is being built.
    pub fn program(&self) -> &'a Program {
        self.program
    }

    /// Appends a node.
    pub fn add(
        &mut self,
        op: Op,
        label: String,
        origin: Option<Origin>,
    ) -> Result<NodeId, Problem> {
        self.add_node(Node {
            op,
            label,
            origin,
            no_cache: false,
        })
    }

    /// Appends a node as it is.
    pub fn add_node(&mut self, node: Node) -> Result<NodeId, Problem> {
        let place = node.origin.clone();
        self.graph.add(node).map_err(|error| refused(&error, place))
    }

    /// What a unit became.
    pub fn made(&self, one: &Use) -> Result<&Made, Problem> {
        self.units.get(&one.unit).ok_or_else(|| {
            one.place
                .problem(format!("`{}` is not made before it is needed", one.name))
        })
    }

    /// Makes a unit of which all that it needs is there.
    pub fn make(&mut self, id: UnitId) -> Result<(), Problem> {
        let program = self.program;
        let unit = program.unit(id);
        let origin = Some(unit.place.origin());
        let made = match &unit.spec {
            Spec::Scratch => self.scratch()?,
            Spec::Directory(name, path) => {
                let label = match path {
                    Some(path) => {
                        self.contexts.insert(name.clone(), path.clone());
                        format!("[{}] load from {}", unit.name, path.display())
                    }
                    None => {
                        self.uses_context = true;
                        "[internal] load build context".to_owned()
                    }
                };
                let op = Op::Context(Context { name: name.clone() });
                let tree = self.add(op, label, origin.filter(|_| name != CONTEXT))?;
                self.files(&unit.name, tree)?
            }
            Spec::Git(git) => {
                let label = format!("[{}] {}", unit.name, git.remote);
                let tree = self.add(Op::Git(git.clone()), label, origin)?;
                self.files(&unit.name, tree)?
            }
            Spec::Http(http) => {
                let label = format!("[{}] {}", unit.name, http.url);
                let blob = self.add(Op::Http(http.clone()), label.clone(), origin.clone())?;
                let tree = self.file_of(blob, &http.url, label, origin)?;
                Made {
                    blob: Some((blob, http.url.clone())),
                    ..self.files(&unit.name, tree)?
                }
            }
            Spec::Base(location, platform) => {
                let op = Op::Image(Image {
                    source: location.clone(),
                    platform: platform.clone(),
                });
                let tree = self.add(op, format!("[{}] FROM {location}", unit.name), origin)?;
                let key = (location.clone(), platform.clone());
                let config = self.configs.get(&key).cloned().unwrap_or_default();
                let mut config = inherit::from_base(config);
                let history = std::mem::take(&mut config.history);
                Made {
                    tree,
                    base: Some(tree),
                    layers: Vec::new(),
                    inherited: 0,
                    base_history: history.len(),
                    history,
                    config: Rc::new(config),
                    blob: None,
                }
            }
            Spec::Task(task) => self.task(id, &unit.name, task)?,
        };
        self.units.insert(id, made);
        Ok(())
    }

    /// How many layers a base has.
    pub fn layer_count(&self, id: UnitId) -> usize {
        match &self.program.unit(id).spec {
            Spec::Base(location, platform) => {
                let config = self.configs.get(&(location.clone(), platform.clone()));
                config.map_or(0, |config| config.rootfs.diff_ids.len())
            }
            _ => 0,
        }
    }

    /// Nothing at all.
    pub fn scratch(&mut self) -> Result<Made, Problem> {
        let op = Op::Scratch(Scratch);
        let tree = self.add(op, "[internal] empty tree".to_owned(), None)?;
        Ok(Made {
            tree,
            base: None,
            layers: Vec::new(),
            inherited: 0,
            history: Vec::new(),
            base_history: 0,
            config: Rc::new(self.config_from_nothing()),
            blob: None,
        })
    }

    /// The build context.
    pub fn context(&mut self) -> Result<NodeId, Problem> {
        self.uses_context = true;
        let op = Op::Context(Context {
            name: CONTEXT.to_owned(),
        });
        self.add(op, "[internal] load build context".to_owned(), None)
    }

    /// What an image from nothing starts as.
    pub fn config_from_nothing(&self) -> ImageConfig {
        inherit::from_nothing(&self.target.platform)
    }

    /// Files without a config: one layer.
    fn files(&mut self, name: &str, tree: NodeId) -> Result<Made, Problem> {
        let changeset = self.diff(Below::Empty, tree, name)?;
        let layer = MadeLayer {
            changeset,
            below: Below::Empty,
            upper: Some(tree),
            of_image: None,
            name: name.to_owned(),
            history: 0,
        };
        let entry = History {
            created_by: name.to_owned(),
            comment: COMMENT.to_owned(),
            ..History::default()
        };
        Ok(Made {
            tree,
            layers: vec![layer],
            history: vec![entry],
            ..self.scratch()?
        })
    }

    /// A fetched file in a tree.
    fn file_of(
        &mut self,
        blob: NodeId,
        url: &str,
        label: String,
        origin: Option<Origin>,
    ) -> Result<NodeId, Problem> {
        let root = self.scratch()?.tree;
        let copy = Copy {
            from: CopySource::Blob {
                from: blob,
                name: paths::file_name(url),
            },
            destination: "/".to_owned(),
            owner: None,
            mode: None,
            unpack: Unpack::Never,
            parents: false,
            exclude: Vec::new(),
            link: false,
        };
        let actions = vec![FileAction::Copy(Box::new(copy))];
        self.add(Op::File(File { root, actions }), label, origin)
    }
}

/// The graph refuses a node only where a unit is of another kind than its user takes it for.
fn refused(error: &GraphError, origin: Option<Origin>) -> Problem {
    let mark = |line| stromatekt_pipeline::Mark {
        line,
        column: 1,
        offset: 0,
    };
    let place = match origin {
        Some(origin) => Place {
            file: origin.file,
            span: stromatekt_pipeline::Span {
                start: mark(origin.first_line),
                end: mark(origin.last_line),
            },
            path: String::new(),
        },
        None => Place {
            file: "".into(),
            span: Default::default(),
            path: String::new(),
        },
    };
    place.problem(error.to_string())
}
