//! What a step asks of the executor, and what it gets.

use std::path::{Path, PathBuf};

use stromatekt_graph::op::Run;

use crate::secrets::Secrets;
use crate::ssh::SshAgents;

/// One process to run.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Names the process among those of this executor: letters, digits, `-` and `_`.
    pub id: &'a str,
    /// The writable tree that becomes the process's root.
    pub rootfs: &'a Path,
    /// What to run.
    pub run: &'a Run,
    /// Where the mounts of `run` have their content: as many as `run.mounts`, in that order.
    pub mounts: &'a [ResolvedMount],
    /// The secrets of this build.
    pub secrets: &'a Secrets,
    /// The ssh agents of this build.
    pub ssh: &'a SshAgents,
}

/// Where on the host a mount's content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolvedMount {
    /// The root of the tree that a bind mount takes its path from; of a writable mount a fork that may change.
    Tree(PathBuf),
    /// The directory of a cache mount.
    Directory(PathBuf),
    /// The executor makes it: tmpfs, secret, ssh, inline.
    Made,
}

/// Which of its outputs a process wrote to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    /// Its exit status; 128 and the signal's number if a signal ended it.
    pub exit: i32,
}

impl Outcome {
    /// Whether the step succeeded.
    pub fn success(self) -> bool {
        self.exit == 0
    }
}
