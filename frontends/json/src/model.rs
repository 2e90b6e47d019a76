//! A JSON pipeline as types: what the text says, every value with its place, no name looked up yet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use stromatekt_graph::file::Unpack;
use stromatekt_graph::limits::{Resources, Ulimit};
use stromatekt_graph::op::{Git, ImageLocation};
use stromatekt_graph::run::{Executor, Network, Security, Sharing};
use stromatekt_oci::compress::Compression;
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::digest::Digest;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_pipeline::Place;

use crate::allowed::Allowed;

/// A word with its place: the name of something, or a reference to it.
#[derive(Clone, Debug)]
pub struct Name {
    /// The word.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

/// The whole file.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// What of the build context may be used.
    pub files: Allowed,
    /// Images that timelines use.
    pub images: Vec<Import>,
    /// Other things that timelines use.
    pub sources: Vec<Source>,
    /// What is done.
    pub timelines: Vec<Timeline>,
    /// What is wanted; everything where absent.
    pub export: Option<Vec<Name>>,
}

/// An image that timelines use.
#[derive(Clone, Debug)]
pub struct Import {
    /// Its name.
    pub name: Name,
    /// Where it is.
    pub location: ImageLocation,
    /// The platform, if it is not that of the build.
    pub platform: Option<Platform>,
}

/// Files that are neither in the build context nor in an image.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: SourceKind,
}

/// What a source is.
#[derive(Clone, Debug)]
pub enum SourceKind {
    /// A git repository.
    Git(Git),
    /// A file of a web server.
    Http {
        /// The URL.
        url: String,
        /// The digest that it must have.
        checksum: Option<Digest>,
    },
    /// A directory of this machine, relative to the pipeline's file.
    Directory {
        /// Its name in the graph.
        context: String,
        /// Where it is.
        path: String,
    },
}

/// Steps one after another on a tree that is empty at first.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Its name, and that of its result.
    pub name: Name,
    /// What is done.
    pub steps: Vec<Step>,
}

/// A step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Where it stands.
    pub place: Place,
    /// What is done.
    pub kind: StepKind,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// Puts another layer stack under what the timeline wrote.
    Apply(Name),
    /// Puts changesets on top, not as the timeline's own.
    ApplyChangesets {
        /// Which, the lowest first.
        changesets: Vec<Name>,
        /// Whether two that leave different things at one path are an error.
        exclusive: bool,
    },
    /// Puts a changeset on top, as the timeline's own.
    CopyChangeset(Name),
    /// Begins as another timeline is at its end.
    CopyLayerStack(Name),
    /// Copies and makes files.
    Files(Vec<FileEntry>),
    /// Runs a process.
    Run(Box<RunStep>),
    /// Ends a changeset.
    SnapshotChangeset {
        /// What it is called.
        var: Option<Name>,
        /// How it is compressed where it becomes a layer.
        compression: Compression,
    },
    /// Makes blobs of files.
    SnapshotFiles(Vec<BlobFile>),
    /// Makes layers known to the timeline.
    ImportObjects {
        /// Which.
        objects: Vec<ImportedObject>,
        /// Where they are described.
        path: Option<String>,
    },
    /// Describes all layers that the timeline knows.
    DumpObjects(String),
    /// Fails the build unless something is as expected.
    Expect(Expectation),
    /// Makes an image.
    ExportImage(Box<ExportImage>),
}

/// What is expected.
#[derive(Clone, Debug)]
pub enum Expectation {
    /// The digest of the tree.
    Tree(Digest),
    /// The digest of a file.
    File(String, Digest),
    /// The diff_id of what changed since the last snapshot.
    Changeset(Digest),
}

/// An entry of a step that copies and makes files.
#[derive(Clone, Debug)]
pub struct FileEntry {
    /// Where it stands.
    pub place: Place,
    /// What is done.
    pub kind: FileKind,
}

/// What an entry does.
#[derive(Clone, Debug)]
pub enum FileKind {
    /// Copies from a tree.
    Copy {
        /// The tree; the build context where absent.
        from: Option<Name>,
        /// Paths and patterns in it.
        sources: Vec<Name>,
        /// How.
        target: Target,
    },
    /// Copies a file of a web server.
    Fetched {
        /// The source.
        from: Name,
        /// Its name where the target is a directory.
        name: String,
        /// How.
        target: Target,
    },
    /// Writes a file.
    Inline {
        /// Its name where the target is a directory.
        name: String,
        /// Its bytes.
        content: Vec<u8>,
        /// How.
        target: Target,
    },
    /// Makes a directory.
    Directory {
        /// Its path.
        path: String,
        /// Its owner, as USER of a Dockerfile has it.
        owner: String,
        /// Its time, in seconds since 1970.
        time: Option<i64>,
    },
}

/// Where a copy goes, and how.
#[derive(Clone, Debug)]
pub struct Target {
    /// Absolute path; a directory where it ends in a slash.
    pub path: String,
    /// Owner and group.
    pub owner: Option<String>,
    /// Mode, octal or symbolic.
    pub mode: Option<String>,
    /// Whether archives are unpacked.
    pub unpack: Unpack,
    /// Whether the parent directories of each source are kept.
    pub parents: bool,
    /// Patterns of what is left out.
    pub exclude: Vec<String>,
    /// Whether the copy does not look at what is there.
    pub link: bool,
}

/// A process.
#[derive(Clone, Debug)]
pub struct RunStep {
    /// The argument vector.
    pub args: Vec<String>,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// The working directory.
    pub cwd: String,
    /// `name|uid[:group|gid]`; root where empty.
    pub user: String,
    /// More groups.
    pub groups: Vec<u32>,
    /// Its host name.
    pub hostname: Option<String>,
    /// What is mounted.
    pub mounts: Vec<MountEntry>,
    /// What runs it.
    pub executor: Executor,
    /// Its network, and where that is said; that of the command line where absent.
    pub network: Option<(Network, Place)>,
    /// How much it may do, and where that is said.
    pub security: Option<(Security, Place)>,
    /// Additional lines of `/etc/hosts`.
    pub extra_hosts: Vec<(String, IpAddr)>,
    /// Limits of setrlimit(2), over those of the command line.
    pub ulimits: Vec<Ulimit>,
    /// The control group to make its own in; that of the command line where absent.
    pub cgroup_parent: Option<String>,
    /// How much of the machine it gets; what the command line says where absent.
    pub resources: Option<Resources>,
}

/// Something mounted.
#[derive(Clone, Debug)]
pub struct MountEntry {
    /// Where it stands in the file.
    pub place: Place,
    /// Where in the tree.
    pub destination: String,
    /// What.
    pub kind: MountKind,
    /// Whether writes are refused.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Clone, Debug)]
pub enum MountKind {
    /// A path of a tree.
    Bind {
        /// The tree; the build context where absent.
        from: Option<Name>,
        /// The path.
        source: Name,
    },
    /// A file system in memory.
    Tmpfs {
        /// Its bytes.
        size: Option<u64>,
    },
    /// A directory that outlives builds.
    Cache {
        /// Which.
        id: String,
        /// How it is shared.
        sharing: Sharing,
        /// What a new one starts from.
        from: Option<(Name, String)>,
        /// Mode and owner of a new one.
        access: Access,
    },
    /// A secret.
    Secret {
        /// Which.
        id: String,
        /// The variable that it is put into.
        env: Option<String>,
        /// Whether it is a file.
        file: bool,
        /// Whether the step fails without.
        required: bool,
        /// Mode and owner of the file.
        access: Access,
    },
    /// The socket of an ssh agent.
    Ssh {
        /// Which.
        id: String,
        /// Whether the step fails without.
        required: bool,
        /// Mode and owner of the socket.
        access: Access,
    },
    /// A file with a certain content.
    Inline {
        /// Its bytes.
        content: Vec<u8>,
        /// Its mode.
        mode: u32,
    },
}

/// Mode and owner.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// Mode.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// A file that becomes a blob.
#[derive(Clone, Debug)]
pub struct BlobFile {
    /// Its path in the tree.
    pub path: String,
    /// Its media type.
    pub media: Option<String>,
    /// The digest that it must have.
    pub digest: Option<Digest>,
    /// What it is called.
    pub var: Option<Name>,
}

/// Layers that are made known to a timeline.
#[derive(Clone, Debug)]
pub struct ImportedObject {
    /// Where it stands.
    pub place: Place,
    /// What the description calls them.
    pub name: String,
    /// Layer stacks and changesets, the lowest first.
    pub layers: Vec<Name>,
    /// Whether it must be a single changeset.
    pub is_changeset: bool,
    /// How new layers are compressed, if not as their changesets say.
    pub compression: Option<Compression>,
}

/// An image.
#[derive(Clone, Debug)]
pub struct ExportImage {
    /// Its name; that of the timeline where absent.
    pub name: Option<Name>,
    /// The names that it gets in the store, each with its place: its own name where `tags` says no other.
    pub tags: Vec<(ImageReference, Place)>,
    /// The OCI layout that it is written to.
    pub path: Option<String>,
    /// What it is made of.
    pub content: ImageContent,
}

/// What an image is made of.
#[derive(Clone, Debug)]
pub enum ImageContent {
    /// Manifests that steps wrote.
    Written {
        /// Their paths in the tree.
        manifests: Vec<String>,
        /// Whether an index of them is the image.
        is_index: bool,
        /// Annotations of the index.
        annotations: BTreeMap<String, String>,
        /// Blobs of other timelines that manifests may name.
        blobs: Vec<Name>,
    },
    /// Layers and a config.
    Composed {
        /// Layer stacks and changesets, the lowest first; those of the timeline where absent.
        layers: Option<Vec<ComposedLayer>>,
        /// An import whose config is the start.
        config_from: Option<Name>,
        /// The config, or what is to be changed in it.
        config: Option<Box<ConfigItem>>,
    },
}

/// A layer of an image.
#[derive(Clone, Debug)]
pub struct ComposedLayer {
    /// Which.
    pub layer: Name,
    /// Which entry of the config's history is about it.
    pub history: Option<(usize, Place)>,
}

/// The config of an image.
#[derive(Clone, Debug)]
pub struct ConfigItem {
    /// What is set.
    pub config: ImageConfig,
    /// The names of the fields that are set: `created`, `config.Env`.
    pub fields: Vec<Name>,
}
