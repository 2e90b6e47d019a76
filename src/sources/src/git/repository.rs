//! What was fetched of one remote, kept in a bare repository.
//!
//! ```text
//! <cache>/<key>.git    the repository; each fetched object is kept by a reference refs/fetched/<id>
//! <cache>/<key>.lock   locked by the process that uses it
//! <cache>/<key>.busy   there while it is used: who finds it unlocked finds a repository that nobody finished with
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stromatekt_graph::op;
use stromatekt_oci::digest::Digest;

use super::auth::Auth;
use super::program::Program;
use super::reference::Tip;
use crate::error::{Error, Result};

/// How often to look whether another process is done.
const PAUSE: Duration = Duration::from_millis(50);

/// The repository of a remote, for the use of one at a time.
pub(super) struct Repository {
    path: PathBuf,
    busy: PathBuf,
    program: Program,
    is_old: bool,
    /// Held as long as this lives.
    lock: File,
}

impl Repository {
    /// Opens the repository of the remote of `git`, or makes it. Waits while others use it.
    pub async fn open(cache: &Path, git: &op::Git, tip: &Tip, auth: &Auth) -> Result<Self> {
        let cache = std::path::absolute(cache).map_err(Error::file("find", cache))?;
        fs::create_dir_all(&cache).map_err(Error::file("make", &cache))?;
        // A repository has ids of one kind.
        let kind = tip.object.len();
        let key = Digest::of(format!("{kind} {}", git.remote)).hex();
        let place = |kind: &str| cache.join(format!("{key}.{kind}"));
        let lock = wait_for(&place("lock")).await?;
        let repository = Self {
            path: place("git"),
            busy: place("busy"),
            program: Program::new(&git.remote).auth(auth).git_dir(&place("git")),
            is_old: place("git").exists() && !place("busy").exists(),
            lock,
        };
        match repository.is_old {
            true => {
                File::create(&repository.busy).map_err(Error::file("make", &repository.busy))?;
                Ok(repository)
            }
            false => repository.renew(git, tip).await,
        }
    }

    /// Makes the repository anew.
    pub async fn renew(self, git: &op::Git, tip: &Tip) -> Result<Self> {
        File::create(&self.busy).map_err(Error::file("make", &self.busy))?;
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::file("remove", &self.path)(error));
            }
            _ => {}
        }
        let mut init = vec!["init", "--quiet", "--bare"];
        init.extend(Self::format(tip));
        let attempt = "make a repository for what is fetched";
        fs::create_dir(&self.path).map_err(Error::file("make", &self.path))?;
        self.program.run(attempt, init).await?;
        // Submodules may be named relative to it.
        let remote = ["config", "remote.origin.url", &git.remote];
        self.program.run(attempt, remote).await?;
        Ok(Self {
            is_old: false,
            ..self
        })
    }

    /// What `git init` must be told for the ids of this repository.
    pub fn format(tip: &Tip) -> Option<&'static str> {
        (tip.object.len() == 64).then_some("--object-format=sha256")
    }

    /// Ends the use. A repository that is only dropped counts as damaged: its git was killed.
    pub fn close(self) -> Result<()> {
        fs::remove_file(&self.busy).map_err(Error::file("remove", &self.busy))?;
        drop(self.lock);
        Ok(())
    }

    /// Whether it was there before.
    pub fn is_old(&self) -> bool {
        self.is_old
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Fetches what is not there yet. False if the remote has something else under the name by now.
    pub async fn fetch(&self, tip: &Tip) -> Result<bool> {
        if !self.has(&tip.object).await {
            let source = tip.name.as_deref().unwrap_or(&tip.object);
            let wanted = format!("+{source}:{}", Self::name_of(&tip.object));
            let shallow = self.fetch_these(&["--depth=1"], &[&wanted]).await;
            if let Err(error) = shallow {
                // Some remotes do not send single commits, others no part of the history.
                tracing::debug!(%error, "fetching more");
                match &tip.name {
                    Some(_) => self.fetch_these(&[], &[&wanted]).await?,
                    None => self.fetch_everything().await?,
                }
            }
        }
        if self.has(&tip.object).await {
            let name = Self::name_of(&tip.object);
            let keep = ["update-ref", &name, &tip.object];
            self.program.run("keep a commit", keep).await?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The commit of a tag; a commit is its own.
    pub async fn commit_of(&self, object: &str) -> Result<String> {
        let commit = format!("{object}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--end-of-options", &commit];
        let id = self.program.run("find a commit", arguments).await?;
        Ok(id.trim().to_owned())
    }

    /// When a commit was made, in seconds since 1970.
    pub async fn time_of(&self, commit: &str) -> Result<i64> {
        let arguments = ["log", "-1", "--format=%ct", "--end-of-options", commit];
        let attempt = "read the time of a commit";
        let time = self.program.run(attempt, arguments).await?;
        time.trim().parse().map_err(|_| Error::Git {
            attempt,
            remote: self.path.display().to_string(),
            message: format!("git says {time:?}"),
        })
    }

    /// Whether this is an annotated tag.
    pub async fn is_tag(&self, object: &str) -> Result<bool> {
        let kind = self
            .program
            .run("read an object", ["cat-file", "-t", object]);
        Ok(kind.await?.trim() == "tag")
    }

    /// The reference that keeps an object.
    pub fn name_of(object: &str) -> String {
        format!("refs/fetched/{object}")
    }

    async fn has(&self, object: &str) -> bool {
        let commit = format!("{object}^{{commit}}");
        let look = ["cat-file", "-e", &commit];
        self.program.run("look for a commit", look).await.is_ok()
    }

    async fn fetch_everything(&self) -> Result<()> {
        let complete: &[&str] = match self.path.join("shallow").exists() {
            true => &["--unshallow", "--prune"],
            false => &["--prune"],
        };
        let all = [
            "+refs/heads/*:refs/all/heads/*",
            "+refs/tags/*:refs/all/tags/*",
        ];
        self.fetch_these(complete, &all).await
    }

    async fn fetch_these(&self, options: &[&str], wanted: &[&str]) -> Result<()> {
        let mut arguments = vec!["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"];
        arguments.extend(options);
        arguments.extend(["--", "origin"]);
        arguments.extend(wanted);
        self.program
            .run("fetch a commit", arguments)
            .await
            .map(drop)
    }
}

/// Locks a file as soon as nobody else has it locked.
async fn wait_for(path: &Path) -> Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(Error::file("open", path))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // Waiting in the kernel could not be given up.
            Err(TryLockError::WouldBlock) => tokio::time::sleep(PAUSE).await,
            Err(TryLockError::Error(error)) => return Err(Error::file("lock", path)(error)),
        }
    }
}
