//! A docker daemon of one's own, to load images into and run them.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

use tempfile::TempDir;

use crate::command::{self, Outcome};
use crate::requirement;

/// A docker daemon; it stops when no test uses it any more.
pub struct Docker {
    directory: TempDir,
    host: String,
}

impl Docker {
    /// The daemon that tests share; nothing, and the test is skipped, where it cannot be had.
    #[must_use]
    pub fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Docker>> = Mutex::new(Weak::new());
        let mut shared = SHARED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(docker) = shared.upgrade() {
            return Some(docker);
        }
        let docker = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&docker);
        Some(docker)
    }

    fn start() -> Option<Self> {
        if !requirement::program("dockerd") || !requirement::program("docker") {
            return None;
        }
        let directory = TempDir::new().expect("there is room for a temporary directory");
        // Its output would otherwise stay open in the daemon, which does not end with the script.
        let started = command::run(
            Command::new(script()).arg("start").arg(directory.path()),
            None,
        );
        if started.code != Some(0) {
            requirement::skipped(&format!(
                "dockerd does not run on this machine: {}",
                started.stderr.trim()
            ));
            return None;
        }
        let host = started
            .text()
            .strip_prefix("DOCKER_HOST=")
            .expect("docker.sh prints DOCKER_HOST=…")
            .to_owned();
        Some(Self { directory, host })
    }

    /// Runs a docker command.
    #[track_caller]
    pub fn run(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Outcome {
        command::run(
            Command::new("docker")
                .args(args)
                .env("DOCKER_HOST", &self.host),
            None,
        )
    }

    /// Where it listens (`DOCKER_HOST`).
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The directory of its data.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let _ = Command::new(script())
            .arg("stop")
            .arg(self.directory.path())
            .status();
    }
}

fn script() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../compat/lab/docker.sh"
    ))
}
