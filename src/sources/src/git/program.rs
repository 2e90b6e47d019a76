//! The `git` program, run so that only what is said here has an influence on it.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::Command;

use super::auth::Auth;
use crate::error::{Error, Result};
use crate::redact::redact;

/// What a remote may be reached by. `file` only when it was named by the user: a submodule must not take this machine's files.
pub(super) const PROTOCOLS: [&str; 5] = ["file", "git", "http", "https", "ssh"];

/// Settings that would otherwise depend on git's defaults.
const SETTINGS: [&str; 5] = [
    "core.hooksPath=/dev/null",
    // Both would go on in the background.
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "init.defaultBranch=master",
];

/// Of the environment, git gets what says how to reach others, and nothing else.
const KEPT: [&str; 10] = [
    "PATH",
    "SSH_AUTH_SOCK",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
];

/// A git that is about one remote.
#[derive(Clone, Debug)]
pub(super) struct Program {
    remote: String,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    directory: OsString,
}

impl Program {
    pub fn new(remote: &str) -> Self {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut set = |setting: String| arguments.extend(["-c".into(), setting.into()]);
        SETTINGS
            .into_iter()
            .for_each(|setting| set(setting.to_owned()));
        set("protocol.allow=never".to_owned());
        for protocol in PROTOCOLS {
            let allowed = if protocol == "file" { "user" } else { "always" };
            set(format!("protocol.{protocol}.allow={allowed}"));
        }
        Self {
            remote: remote.to_owned(),
            arguments,
            environment: Vec::new(),
            directory: "/".into(),
        }
    }

    /// Logs in to the remote so.
    pub fn auth(mut self, auth: &Auth) -> Self {
        self.environment.extend(
            auth.environment(&self.remote)
                .map(|(name, value)| (name, value.into())),
        );
        self
    }

    /// Works on this repository.
    pub fn git_dir(mut self, path: &Path) -> Self {
        self.arguments.extend(["--git-dir".into(), path.into()]);
        self.directory = path.into();
        self
    }

    /// Works on these files, in which it is run.
    pub fn work_tree(mut self, path: &Path) -> Self {
        self.arguments.extend(["--work-tree".into(), path.into()]);
        self.directory = path.into();
        self
    }

    /// Keeps the index in this file.
    pub fn index(mut self, path: &Path) -> Self {
        self.environment.push(("GIT_INDEX_FILE", path.into()));
        self
    }

    /// Runs git and returns what it writes. `attempt` continues "could not", and is followed by "of" the remote.
    pub async fn run<A: AsRef<OsStr>>(
        &self,
        attempt: &'static str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<String> {
        let child = Command::new("sh")
            // A umask of its own, which a process can set only for itself.
            .args(["-c", "umask 022; exec git \"$@\"", "git"])
            .args(&self.arguments)
            .args(arguments)
            .current_dir(&self.directory)
            .env_clear()
            .envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs([
                ("GIT_TERMINAL_PROMPT", "0"),
                ("GIT_CONFIG_NOSYSTEM", "1"),
                ("GIT_CONFIG_GLOBAL", "/dev/null"),
                ("HOME", "/dev/null"),
                ("LC_ALL", "C"),
                (
                    "GIT_SSH_COMMAND",
                    "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
                ),
            ])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| Error::GitProgram { source })?;
        let group = Group(child.id());
        let output = child.wait_with_output().await;
        group.ended();
        let output = output.map_err(|source| Error::GitProgram { source })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        // The shell's status for a program that is not there.
        if output.status.code() == Some(127) {
            return Err(Error::GitProgram {
                source: std::io::ErrorKind::NotFound.into(),
            });
        }
        let shown = redact(&self.remote);
        let said = String::from_utf8_lossy(&output.stderr).replace(&self.remote, &shown);
        Err(Error::Git {
            attempt,
            remote: shown,
            message: match said.trim() {
                "" => format!("git ended with {}", output.status),
                said => said.to_owned(),
            },
        })
    }
}

/// The processes of a git: its helpers, which talk to the remote, do not end when it does.
struct Group(Option<u32>);

impl Group {
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0.and_then(|id| i32::try_from(id).ok()) {
            // They may all have ended by now.
            let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
    }
}
