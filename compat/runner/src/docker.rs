//! The docker that cases are compared with: the one of `compat/lab/modern-docker.sh`, in its chroot.
//!
//! Its client is called directly; starting and stopping is the script's. A daemon that was running is left running.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::command::{self, Done};
use crate::error::{Error, Result};

/// A running docker.
#[derive(Debug)]
pub struct Docker {
    directory: PathBuf,
    /// Whether it is to be stopped in the end.
    started: bool,
    /// What it is made of.
    pub versions: Versions,
}

/// The versions of what a build goes through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// The daemon.
    pub docker: String,
    /// The BuildKit in the daemon.
    pub buildkit: String,
    /// The client's plug-in.
    pub buildx: String,
    /// What runs the steps.
    pub runc: String,
}

impl Docker {
    /// Uses the docker in a directory, started if need be.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn open(directory: &Path) -> Result<Self> {
        let unable = |reason: String| Error::Docker { reason };
        if !nix::unistd::geteuid().is_root() {
            return Err(unable("only root can start one".to_owned()));
        }
        let running = is_running(directory);
        if !running {
            let mut start = Command::new(script());
            start.arg("start").arg(directory);
            // It makes the chroot of Debian packages if need be.
            let done = command::run(&mut start, None, Duration::from_secs(900))
                .map_err(|error| unable(error.to_string()))?;
            if !done.success {
                return Err(unable(done.tail()));
            }
        }
        let mut docker = Self {
            directory: directory.to_owned(),
            started: !running,
            versions: Versions::default(),
        };
        docker.versions = docker.ask_versions()?;
        Ok(docker)
    }

    /// What is shared with it on this machine.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.directory.join("work")
    }

    /// Since when it keeps what it built. `--no-cache` or not, a here-document has the time at which BuildKit saw one of the same text first.
    #[must_use]
    pub fn born(&self) -> SystemTime {
        let store = fs::metadata(self.directory.join("data/store"));
        // Where the file system does not tell, only what is younger than this run counts as built.
        store
            .and_then(|store| store.created())
            .unwrap_or_else(|_| SystemTime::now())
    }

    /// The name that a path beneath [`Docker::work`] has for it.
    #[must_use]
    pub fn inside(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(self.work()) {
            Ok(rest) => Path::new("/work").join(rest),
            Err(_) => path.to_owned(),
        }
    }

    /// A program in the chroot, with a clean environment.
    #[must_use]
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new("chroot");
        command::clean_environment(&mut command);
        command.arg(self.directory.join("chroot")).arg(name);
        command.env("DOCKER_HOST", "unix:///data/docker.sock");
        command
    }

    /// BuildKit's client. Called by itself it takes half the time that it takes as a plug-in of docker's client.
    #[must_use]
    pub fn buildx(&self) -> Command {
        self.program("/usr/libexec/docker/cli-plugins/docker-buildx")
    }

    /// Runs a docker command that must succeed.
    ///
    /// # Errors
    ///
    /// It fails.
    pub fn require<A: AsRef<std::ffi::OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
        purpose: &'static str,
    ) -> Result<String> {
        command::require(self.program("docker").args(args), purpose)
    }

    /// Runs a docker command, whatever comes of it.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn attempt<A: AsRef<std::ffi::OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Done> {
        command::run(
            self.program("docker").args(args),
            None,
            Duration::from_secs(120),
        )
    }

    fn ask_versions(&self) -> Result<Versions> {
        let docker = self.require(
            ["version", "--format", "{{.Server.Version}}"],
            "asks for its version",
        )?;
        let buildx = self.require(["buildx", "version"], "asks for its version")?;
        let runc = command::require(
            self.program("runc").arg("--version"),
            "asks for its version",
        )?;
        Ok(Versions {
            buildkit: self.buildkit_version(&docker)?,
            docker,
            buildx: buildx
                .split_whitespace()
                .nth(1)
                .unwrap_or(&buildx)
                .to_owned(),
            runc: runc
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("runc version ")
                .to_owned(),
        })
    }

    fn buildkit_version(&self, docker: &str) -> Result<String> {
        let told = self.require(["buildx", "inspect"], "asks for BuildKit's version")?;
        let version = told
            .lines()
            .find_map(|line| line.strip_prefix("BuildKit version:"))
            .map(str::trim);
        Ok(match version {
            Some(version) if !version.contains("unknown") => version.to_owned(),
            // A distribution's build does not know which one it was linked with.
            _ => format!("the one in docker {docker}"),
        })
    }

    /// Removes images that runs left which are no more, by the prefix of their names and the id of the process behind it.
    pub fn remove_what_killed_runs_left(&self, prefix: &str) {
        let reference = format!("reference={prefix}*/*/*");
        let names = [
            "image",
            "ls",
            "--filter",
            &reference,
            "--format",
            "{{.Repository}}",
        ];
        let Ok(listed) = self.attempt(names) else {
            return;
        };
        let is_gone = |name: &&str| {
            let pid = name
                .strip_prefix(prefix)
                .and_then(|rest| rest.split('/').next());
            pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
        };
        let gone: Vec<&str> = listed.stdout.lines().filter(is_gone).collect();
        if !gone.is_empty() {
            // Another run may do the same now.
            let _ = self.attempt(["image", "rm", "--force"].into_iter().chain(gone));
        }
    }

    /// Has BuildKit forget what it fetched from git repositories: it keeps that by commit, with the URL from which it came first, and the
    /// same commits come from another port in each run.
    ///
    /// # Errors
    ///
    /// It cannot.
    pub fn forget_git_checkouts(&self) -> Result<()> {
        let filter = "type=source.git.checkout";
        self.require(
            ["buildx", "prune", "--force", "--all", "--filter", filter],
            "forgets git checkouts",
        )?;
        Ok(())
    }

    /// Removes what the build cache has beyond a bound, and if nobody else uses this docker, what failed builds left.
    pub fn tidy(&self) {
        // Whatever is left is removed by docker's own policy.
        let _ = self.attempt(["buildx", "prune", "--force", "--max-used-space", "2gb"]);
        if self.started {
            let _ = self.attempt(["image", "prune", "--force"]);
        }
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        if self.started {
            let _ = command::run(
                Command::new(script()).arg("stop").arg(&self.directory),
                None,
                Duration::from_secs(60),
            );
        }
    }
}

fn is_running(directory: &Path) -> bool {
    let data = directory.join("data");
    let Ok(pid) = fs::read_to_string(data.join("pid")) else {
        return false;
    };
    data.join("docker.sock").exists() && Path::new("/proc").join(pid.trim()).exists()
}

fn script() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../lab/modern-docker.sh"
    ))
}
