//! Runs the process of a step in an OCI runtime.
//!
//! One [`Executor`] serves a whole build: it turns a [`Run`](stromatekt_graph::op::Run) into a bundle of the OCI
//! runtime-spec, hands that to `runc` or a runtime with its command line, streams what the process writes, and leaves
//! nothing behind but what the process itself did to its tree.

mod bundle;
mod capability;
mod cgroup;
mod config;
mod container;
mod error;
mod etc;
mod executor;
mod host;
mod keeper;
mod limits;
mod network;
mod owner;
mod program;
mod request;
mod seccomp;
mod secrets;
mod ssh;
mod ssh_agent;
mod ssh_key;
mod ssh_proxy;
mod ssh_wire;
mod stubs;
mod user;

pub use bundle::{find_in_tree, make_working_dir};
pub use config::PATH;
pub use error::{Error, Result};
pub use executor::{Config, Executor};
pub use request::{Outcome, Request, ResolvedMount, Stream};
pub use secrets::{Secret, SecretSource, Secrets};
pub use ssh::{SshAgents, SshForward};
pub use stubs::{Kind as MountPoint, Stubs};
pub use user::User;
