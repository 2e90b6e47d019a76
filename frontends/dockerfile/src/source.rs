//! Where files come from: what a name after FROM, `--from=` or `from=` stands for, and the node of its tree.

use std::collections::BTreeSet;

use stromatekt_dockerfile_parser::nearest;
use stromatekt_graph::file::{Copy, CopySource, FileAction, Unpack};
use stromatekt_graph::op::{Context, File, Git, Http, Image, ImageLocation, Scratch};
use stromatekt_graph::{Graph, Node, NodeId, Op, Origin};
use stromatekt_oci::Digest;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;

use crate::error::Problem;
use crate::options::{NamedContext, Options};

/// The name of the empty tree.
pub const SCRATCH: &str = "scratch";
/// The name of the build context in a graph.
pub const CONTEXT: &str = "context";

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Source {
    /// A stage, by its number.
    Stage(usize),
    /// The empty tree.
    Scratch,
    /// An image.
    Image(ImageSource),
    /// Files without a config, given with `--build-context` under this name.
    Files(String, Files),
}

/// An image with what its steps are called.
#[derive(Clone, Debug)]
pub struct ImageSource {
    /// Where it is.
    pub location: ImageLocation,
    /// For which platform.
    pub platform: Platform,
    /// The name as the Dockerfile has it.
    pub name: String,
    /// The named context that it was given by.
    pub context: Option<String>,
}

/// Files without a config.
#[derive(Clone, Debug)]
pub enum Files {
    /// A local directory, by its name in the graph.
    Local(String),
    /// A repository.
    Git(Git),
    /// A file of a web server.
    Http {
        /// The URL.
        url: String,
        /// The digest that it must have.
        checksum: Option<Digest>,
    },
}

/// What the name of something that is no stage stands for: a named context, the empty tree, an image. Named contexts may refer
/// to `stages`, and they are suggested for names that cannot be.
pub fn resolve(
    name: &str,
    platform: &Platform,
    options: &Options,
    stages: &[&str],
) -> Result<Source, Problem> {
    if name == SCRATCH {
        return Ok(Source::Scratch);
    }
    if let Some((given, context)) = options.named_context(name, platform) {
        return resolve_context(given, context, platform, stages);
    }
    let reference: ImageReference =
        name.parse()
            .map_err(|error: stromatekt_oci::Error| Problem::ImageName {
                name: name.to_owned(),
                reason: error.to_string(),
                nearest: nearest(name, stages.iter().copied()),
            })?;
    Ok(Source::Image(ImageSource {
        location: ImageLocation::Named(reference),
        platform: platform.clone(),
        name: name.to_owned(),
        context: None,
    }))
}

/// What a named context stands for.
pub fn resolve_context(
    given: &str,
    context: &NamedContext,
    platform: &Platform,
    stages: &[&str],
) -> Result<Source, Problem> {
    let image = |location| {
        Source::Image(ImageSource {
            location,
            platform: platform.clone(),
            name: given.to_owned(),
            context: Some(given.to_owned()),
        })
    };
    let files = |files| Source::Files(given.to_owned(), files);
    let named = || stages.iter().copied().filter(|stage| !stage.is_empty());
    Ok(match context {
        NamedContext::Image(reference) if reference.familiar_name() == SCRATCH => Source::Scratch,
        NamedContext::Image(reference) => image(ImageLocation::Named(reference.clone())),
        NamedContext::Layout { path, selector } => image(ImageLocation::Layout {
            path: path.clone(),
            selector: selector.clone(),
        }),
        NamedContext::Target(target) => {
            let position = stages
                .iter()
                .rposition(|stage| stage.eq_ignore_ascii_case(target));
            Source::Stage(position.ok_or_else(|| Problem::UnknownTarget {
                name: target.clone(),
                nearest: nearest(target, named()),
                names: named().map(str::to_owned).collect(),
            })?)
        }
        NamedContext::Local(name) => files(Files::Local(name.clone())),
        NamedContext::Git(git) => files(Files::Git(git.clone())),
        NamedContext::Http { url, checksum } => files(Files::Http {
            url: url.clone(),
            checksum: *checksum,
        }),
    })
}

/// The graph under construction, with the nodes that sources become.
#[derive(Debug, Default)]
pub struct Builder {
    /// The graph so far.
    pub graph: Graph,
    /// The local directories that it reads.
    pub contexts: BTreeSet<String>,
}

impl Builder {
    /// Appends a node that may be answered from the cache.
    pub fn add(
        &mut self,
        op: Op,
        label: String,
        origin: Option<Origin>,
    ) -> Result<NodeId, Problem> {
        Ok(self.graph.add(Node {
            op,
            label,
            origin,
            no_cache: false,
        })?)
    }

    /// The empty tree.
    pub fn scratch(&mut self) -> Result<NodeId, Problem> {
        self.add(Op::Scratch(Scratch), "[internal] empty tree".into(), None)
    }

    /// Whether a tree is the empty one.
    pub fn is_scratch(&self, tree: NodeId) -> bool {
        matches!(self.graph.node(tree).op, Op::Scratch(_))
    }

    /// The build context.
    pub fn context(&mut self) -> Result<NodeId, Problem> {
        self.local(CONTEXT, "[internal] load build context".into(), None)
    }

    fn local(
        &mut self,
        name: &str,
        label: String,
        origin: Option<Origin>,
    ) -> Result<NodeId, Problem> {
        self.contexts.insert(name.to_owned());
        let name = name.to_owned();
        self.add(Op::Context(Context { name }), label, origin)
    }

    /// An image. `label` is for one that no named context gave.
    pub fn image(
        &mut self,
        image: &ImageSource,
        label: String,
        origin: Option<Origin>,
    ) -> Result<NodeId, Problem> {
        let label = match &image.context {
            Some(context) => format!("[context {context}] {}", image.location),
            None => label,
        };
        let op = Op::Image(Image {
            source: image.location.clone(),
            platform: image.platform.clone(),
        });
        self.add(op, label, origin)
    }

    /// Files that a named context gave.
    pub fn files(
        &mut self,
        name: &str,
        files: &Files,
        origin: Option<Origin>,
    ) -> Result<NodeId, Problem> {
        match files {
            Files::Local(local) => {
                self.local(local, format!("[context {name}] load from client"), origin)
            }
            Files::Git(git) => {
                let label = format!("[context {name}] {}", git.remote);
                self.add(Op::Git(git.clone()), label, origin)
            }
            Files::Http { url, checksum } => {
                let label = format!("[context {name}] {url}");
                let http = Op::Http(Http {
                    url: url.clone(),
                    checksum: *checksum,
                });
                let from = self.add(http, label.clone(), origin.clone())?;
                let root = self.scratch()?;
                let actions = vec![FileAction::Copy(Box::new(Copy {
                    from: CopySource::Blob {
                        from,
                        name: CONTEXT.to_owned(),
                    },
                    destination: "/".to_owned(),
                    owner: None,
                    mode: None,
                    unpack: Unpack::Never,
                    parents: false,
                    exclude: Vec::new(),
                    link: false,
                }))];
                self.add(Op::File(File { root, actions }), label, origin)
            }
        }
    }
}
