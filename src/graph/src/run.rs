//! The process of a [`Run`] operation: what it sees besides its tree.

use std::net::IpAddr;

use serde::Serialize;

use crate::graph::NodeId;
use crate::limits::Limits;
use crate::op::ValueKind;

/// A process run on a tree; yields the tree that it leaves. Standard input is closed.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The tree that the process sees as its root.
    pub root: NodeId,
    /// The whole argument vector, the shell included.
    pub args: Vec<String>,
    /// The command as the user wrote it, for errors, where `args` is but a part of it.
    #[serde(skip)]
    pub shown: Option<String>,
    /// What runs the process.
    #[serde(skip_serializing_if = "Executor::is_default")]
    pub executor: Executor,
    /// The environment as the image's config and build args define it, later entries winning. `PATH`
    /// gets docker's default where absent; `HOME` is set from the user's passwd entry where absent.
    pub env: Vec<(String, String)>,
    /// Environment that must not change the result (proxy settings): seen by the process, not part of the digest.
    #[serde(skip)]
    pub proxy_env: Vec<(String, String)>,
    /// Working directory, absolute; made where it does not exist.
    pub cwd: String,
    /// `USER` as written: empty for root, else `name|uid[:group|gid]`, looked up in the tree.
    pub user: String,
    /// Groups of the process besides those that the tree says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<u32>,
    /// What is mounted over the tree, in order.
    pub mounts: Vec<Mount>,
    /// Which network the process has.
    pub network: Network,
    /// How much the process may do.
    pub security: Security,
    /// Additional lines of `/etc/hosts` (`--add-host`).
    pub extra_hosts: Vec<(String, IpAddr)>,
    /// Its host name; the executor's own where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// What bounds it.
    #[serde(flatten)]
    pub limits: Limits,
}

/// What runs a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Executor {
    /// An OCI runtime: a container with the tree as its root.
    #[default]
    Runc,
    /// A WebAssembly runtime: the first argument is the path of a WASI module in the tree, which sees the tree as its `/`.
    Wasi,
}

impl Executor {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The network of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// A private network with access to the outside.
    #[default]
    Default,
    /// The host's.
    Host,
    /// Only a loopback device.
    None,
}

/// What a process may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Security {
    /// Docker's default capabilities, masked paths and seccomp profile.
    #[default]
    Sandbox,
    /// All capabilities, nothing masked (`--security=insecure`).
    Insecure,
}

/// Something mounted over the tree while the process runs. Mount points that had to be made are removed afterwards.
#[derive(Clone, Debug, Serialize)]
pub struct Mount {
    /// Absolute path in the tree.
    pub target: String,
    /// What stands there.
    pub source: MountSource,
    /// Writes are refused. Writes to a writable bind mount are thrown away.
    pub read_only: bool,
}

/// What a mount shows.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountSource {
    /// A path of another tree.
    Bind {
        /// The tree; [`Op::Context`](crate::Op::Context) for the build context.
        from: NodeId,
        /// Path in that tree.
        path: String,
    },
    /// A directory that outlives builds.
    Cache {
        /// Which one; mounts of equal id share a directory.
        id: String,
        /// How steps at the same time share it.
        sharing: Sharing,
        /// What a new cache directory starts from, with the path in that tree.
        from: Option<(NodeId, String)>,
        /// Mode of a new cache directory.
        mode: u32,
        /// Owner of a new cache directory.
        uid: u32,
        /// Group of a new cache directory.
        gid: u32,
    },
    /// A file system in memory.
    Tmpfs {
        /// Upper limit in bytes.
        size: Option<u64>,
    },
    /// A secret of the person who builds, never stored and never part of the digest but by id.
    Secret {
        /// Which one (`--secret id=…`).
        id: String,
        /// Also or only put into this environment variable.
        env: Option<String>,
        /// Whether a file is mounted at the target.
        file: bool,
        /// The step fails where the secret is not given; else it runs without.
        required: bool,
        /// Mode of the file.
        mode: u32,
        /// Owner of the file.
        uid: u32,
        /// Group of the file.
        gid: u32,
    },
    /// The socket of an ssh agent; `SSH_AUTH_SOCK` names it.
    Ssh {
        /// Which one (`--ssh id`).
        id: String,
        /// The step fails where it is not given; else it runs without.
        required: bool,
        /// Mode of the socket.
        mode: u32,
        /// Owner of the socket.
        uid: u32,
        /// Group of the socket.
        gid: u32,
    },
    /// A file with this content: a here-document.
    Inline {
        /// The bytes.
        content: Vec<u8>,
        /// Mode of the file.
        mode: u32,
    },
}

/// How steps at the same time share a cache directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// They use it together.
    #[default]
    Shared,
    /// Each gets one of its own.
    Private,
    /// One waits for the other.
    Locked,
}

impl Run {
    /// The command as the user wrote it.
    #[must_use]
    pub fn command(&self) -> String {
        self.shown.clone().unwrap_or_else(|| self.args.join(" "))
    }

    pub(crate) fn visit_inputs(&mut self, visit: &mut dyn FnMut(&mut NodeId, ValueKind)) {
        visit(&mut self.root, ValueKind::Tree);
        for mount in &mut self.mounts {
            match &mut mount.source {
                MountSource::Bind { from, .. }
                | MountSource::Cache {
                    from: Some((from, _)),
                    ..
                } => visit(from, ValueKind::Tree),
                _ => {}
            }
        }
    }
}
