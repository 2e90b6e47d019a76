//! What a pipeline says, read: every text expanded, every name resolved to a unit.

use std::net::IpAddr;
use std::path::PathBuf;

use stromatekt_graph::file::FileAction;
use stromatekt_graph::limits::Ulimit;
use stromatekt_graph::op::{Git, Http, ImageLocation};
use stromatekt_graph::run::{Executor, Network, Security, Sharing};
use stromatekt_oci::Digest;
use stromatekt_oci::compress::Compression;
use stromatekt_oci::config::{HealthConfig, History};
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_pipeline::Place;

/// A unit by its number: what tasks and images are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId(pub usize);

/// Something that can be built on or copied from.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Its whole name, as the main file would refer to it.
    pub name: String,
    /// Where the name stands.
    pub place: Place,
    /// What it is.
    pub spec: Spec,
}

/// What a unit is.
#[derive(Clone, Debug)]
pub enum Spec {
    /// The empty tree.
    Scratch,
    /// A directory: under this name in the graph, the build context or one relative to the main file.
    Directory(String, Option<PathBuf>),
    /// A repository.
    Git(Git),
    /// A fetched file.
    Http(Http),
    /// An image.
    Base(ImageLocation, Platform),
    /// A task.
    Task(Box<Task>),
}

/// A reference to a unit, or to layers of one.
#[derive(Clone, Debug)]
pub struct Use {
    /// The unit.
    pub unit: UnitId,
    /// The first and the last one of single layers.
    pub layers: Option<(usize, usize)>,
    /// As it is written.
    pub name: String,
    /// Where.
    pub place: Place,
}

/// Units that are stacked: the first one whole.
#[derive(Clone, Debug)]
pub struct Stacking {
    /// The units.
    pub uses: Vec<Use>,
    /// Whether what comes later wins.
    pub is_ordered: bool,
}

/// A task.
#[derive(Clone, Debug)]
pub struct Task {
    /// What it starts from.
    pub on: Stacking,
    /// What it does.
    pub work: Work,
    /// What must come of it.
    pub expect: Expect,
}

/// What a task does.
#[derive(Clone, Debug)]
pub enum Work {
    /// Its steps.
    Steps {
        /// In order.
        steps: Vec<Step>,
        /// Whether each is a layer of its own.
        is_per_step: bool,
    },
    /// What a stage of a Dockerfile does.
    Dockerfile(Box<Stage>),
}

/// A stage of a Dockerfile.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Which file of which module.
    pub module: usize,
    /// The path as it is written.
    pub file: String,
    /// The stage; the last one where absent.
    pub target: Option<String>,
    /// Its build args.
    pub args: Vec<(String, String)>,
    /// What stands for the build context.
    pub context: Option<Use>,
    /// Where the file is named.
    pub place: Place,
}

/// What must come of a task.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// The digest of the tree.
    pub tree: Option<(Digest, Place)>,
    /// The diff_id of the layer.
    pub layer: Option<(Digest, Place)>,
    /// Digests of files.
    pub files: Vec<(String, Digest, Place)>,
}

/// A step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it stands.
    pub place: Place,
    /// The circumstances, those of the task included.
    pub settings: Settings,
    /// Directories, copies and files, each with where it stands.
    pub files: Vec<(Action, Place)>,
    /// Descriptions of layers.
    pub descriptions: Vec<Description>,
    /// What is run, each with where it stands.
    pub commands: Vec<(Command, Place)>,
}

/// The circumstances of a step.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whose programs are used.
    pub with: Option<Use>,
    /// What is done to the variables of the base.
    pub env: Vec<Variable>,
    /// The working directory, relative to the base's.
    pub workdir: Option<String>,
    /// Who runs it.
    pub user: Option<String>,
    /// What runs texts.
    pub shell: Option<Vec<String>>,
    /// What is mounted.
    pub mounts: Vec<MountSpec>,
    /// The network.
    pub network: Option<(Network, Place)>,
    /// What it may do.
    pub security: Option<(Security, Place)>,
    /// What runs it.
    pub executor: Option<Executor>,
    /// The host name.
    pub hostname: Option<String>,
    /// Addresses of hosts.
    pub hosts: Vec<(String, IpAddr)>,
    /// Limits.
    pub ulimits: Vec<Ulimit>,
    /// The control group.
    pub cgroup_parent: Option<String>,
    /// Do it anew.
    pub no_cache: Option<bool>,
}

/// What is done to variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// One is set.
    Set(String, String),
    /// One is taken away.
    Remove(String),
    /// All are taken away.
    Clear,
}

/// What is done to files.
#[derive(Clone, Debug)]
pub enum Action {
    /// Needs no other unit. Its paths may be relative.
    Plain(FileAction),
    /// Files copied from another unit.
    Copy(Box<CopySpec>),
}

/// Files copied from another unit.
#[derive(Clone, Debug)]
pub struct CopySpec {
    /// Where they are.
    pub from: Use,
    /// Which ones; all of them where there is none.
    pub files: Vec<String>,
    /// The name of a fetched file.
    pub name: Option<String>,
    /// Whether archives are unpacked.
    pub is_unpacked: bool,
    /// All else; sources and unpacking are none of it.
    pub rest: stromatekt_graph::file::Copy,
}

/// A description of layers.
#[derive(Clone, Debug)]
pub struct Description {
    /// The file to write.
    pub to: String,
    /// What is described.
    pub layers: Vec<NamedLayers>,
    /// How new ones are compressed.
    pub compression: Compression,
    /// Where it stands.
    pub place: Place,
}

/// Layers with a name.
#[derive(Clone, Debug)]
pub struct NamedLayers {
    /// The name.
    pub name: String,
    /// The layers.
    pub uses: Vec<Use>,
}

/// What is run, by a step or by an image.
#[derive(Clone, Debug)]
pub enum Command {
    /// A program with its arguments.
    Args(Vec<String>),
    /// A text for the shell.
    Shell(String),
}

/// A mount. Its target may be relative.
#[derive(Clone, Debug)]
pub struct MountSpec {
    /// Where it stands.
    pub target: Option<String>,
    /// What it is.
    pub kind: MountKind,
    /// Writes are refused.
    pub read_only: bool,
    /// Where it is written.
    pub place: Place,
}

/// What a mount is.
#[derive(Clone, Debug)]
pub enum MountKind {
    /// A path of a unit.
    Bind {
        /// The unit; the build context where absent.
        from: Option<Use>,
        /// The path.
        path: String,
    },
    /// A directory that outlives builds.
    Cache {
        /// Which one; the target where absent.
        id: Option<String>,
        /// How it is shared.
        sharing: Sharing,
        /// What it starts from.
        from: Option<(Use, String)>,
        /// Who owns it.
        access: Access,
    },
    /// A file system in memory.
    Tmpfs(Option<u64>),
    /// A secret.
    Secret {
        /// Which one.
        id: String,
        /// The variable.
        env: Option<String>,
        /// Whether it must be given.
        required: bool,
        /// Who owns it.
        access: Access,
    },
    /// The socket of an agent.
    Ssh {
        /// Which one.
        id: String,
        /// Whether it must be given.
        required: bool,
        /// Who owns it.
        access: Access,
    },
    /// A file.
    File(Vec<u8>, u32),
}

/// Mode and owner.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// The mode.
    pub mode: u32,
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// An image.
#[derive(Clone, Debug)]
pub struct Image {
    /// The number of its file.
    pub module: usize,
    /// Its whole name.
    pub name: String,
    /// Where the name stands.
    pub place: Place,
    /// What it is made of.
    pub content: Content,
    /// Names that it gets, and where they stand.
    pub tags: Vec<(ImageReference, Place)>,
    /// What it is built for.
    pub platforms: Vec<Platform>,
    /// Make an index.
    pub is_index: bool,
    /// The time of the image.
    pub source_date_epoch: Option<i64>,
}

/// What an image is made of.
#[derive(Clone, Debug)]
pub enum Content {
    /// Layers and a config.
    Composed {
        /// The layers.
        layers: Stacking,
        /// The config.
        config: Box<Config>,
        /// The digest of the tree, and where it stands.
        expect: Option<(Digest, Place)>,
    },
    /// Manifests that a task wrote.
    Written(Box<Written>),
}

/// Manifests that a task wrote.
#[derive(Clone, Debug)]
pub struct Written {
    /// The task.
    pub by: Use,
    /// Paths of manifests.
    pub manifests: Vec<String>,
    /// What they may name.
    pub layers: Vec<NamedLayers>,
    /// How new layers are compressed.
    pub compression: Compression,
    /// Other files that they name: path, media type, digest.
    pub blobs: Vec<(String, Option<String>, Option<Digest>)>,
    /// Annotations of the index.
    pub annotations: Vec<(String, String)>,
}

/// How an image runs: what is said of it. What is absent is as in the config that it starts as.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Whose config it starts as.
    pub from: Option<Use>,
    /// What always runs.
    pub entrypoint: Option<Command>,
    /// What runs.
    pub cmd: Option<Command>,
    /// What is done to the variables.
    pub env: Vec<Variable>,
    /// Who runs it.
    pub user: Option<String>,
    /// Where it runs.
    pub workdir: Option<String>,
    /// Labels; nothing takes one away.
    pub labels: Vec<(String, Option<String>)>,
    /// Ports, as a config has them.
    pub ports: Vec<String>,
    /// Volumes.
    pub volumes: Vec<String>,
    /// The signal that ends it.
    pub stop_signal: Option<String>,
    /// How to test it.
    pub healthcheck: Option<HealthConfig>,
    /// The shell.
    pub shell: Option<Vec<String>>,
    /// Triggers.
    pub on_build: Vec<String>,
    /// Who maintains it.
    pub author: Option<String>,
    /// When it was made.
    pub created: Option<String>,
    /// What it says that it runs on.
    pub platform: Option<Platform>,
    /// `ArgsEscaped`.
    pub args_escaped: Option<bool>,
    /// How it was made, after the base's.
    pub history: Option<(Vec<History>, Place)>,
}

impl Settings {
    /// These circumstances in those of a task.
    #[must_use]
    pub fn inside(self, task: &Self) -> Self {
        let both = |outer: &[Variable], inner: Vec<Variable>| [outer, &inner].concat();
        Self {
            with: self.with.or_else(|| task.with.clone()),
            env: both(&task.env, self.env),
            workdir: match (&task.workdir, self.workdir) {
                (Some(outer), Some(inner)) if !inner.starts_with('/') => {
                    Some(format!("{outer}/{inner}"))
                }
                (outer, inner) => inner.or_else(|| outer.clone()),
            },
            user: self.user.or_else(|| task.user.clone()),
            shell: self.shell.or_else(|| task.shell.clone()),
            mounts: task.mounts.iter().cloned().chain(self.mounts).collect(),
            network: self.network.or_else(|| task.network.clone()),
            security: self.security.or_else(|| task.security.clone()),
            executor: self.executor.or(task.executor),
            hostname: self.hostname.or_else(|| task.hostname.clone()),
            hosts: task.hosts.iter().cloned().chain(self.hosts).collect(),
            ulimits: with_ulimits(&task.ulimits, self.ulimits),
            cgroup_parent: self.cgroup_parent.or_else(|| task.cgroup_parent.clone()),
            no_cache: self.no_cache.or(task.no_cache),
        }
    }
}

/// Limits over others: each is there once.
#[must_use]
pub fn with_ulimits(outer: &[Ulimit], inner: Vec<Ulimit>) -> Vec<Ulimit> {
    let mut limits = outer.to_vec();
    for limit in inner {
        match limits.iter_mut().find(|known| known.name == limit.name) {
            Some(known) => *known = limit,
            None => limits.push(limit),
        }
    }
    limits
}
