//! Git repositories at a commit, fetched with the `git` program as BuildKit does (`source/git`).
//!
//! What was fetched of a remote is kept in a bare repository of the cache directory, so that the next commit costs only what
//! is new in it. git sees no configuration but ours, asks nothing, and is killed with its helpers when the future is dropped.

mod auth;
mod program;
mod reference;
mod repository;
mod worktree;

#[cfg(test)]
mod tests;

use std::path::Path;

use stromatekt_graph::op;

pub use auth::Auth;

use crate::error::{Error, Result};
use crate::redact::redact;
use reference::Tip;
use repository::Repository;

/// What was checked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// The id of the commit.
    pub commit: String,
    /// When it was made, in seconds since 1970.
    pub time: i64,
}

/// How often a remote may move its branch between telling where it is and sending it.
const MOVES: usize = 3;

/// Finds the commit that a reference is at. The full id of a commit is taken for what it is without asking.
///
/// # Errors
/// When the remote cannot be reached or has no such reference, or the commit is not that of the checksum.
pub async fn resolve(git: &op::Git, auth: &Auth) -> Result<String> {
    Ok(reference::resolve(git, auth).await?.commit)
}

/// Checks a commit out into the directory `dest`, which exists and is empty. Files belong to the user of this process, with
/// the modes of git and the umask 022. Repositories are kept in `cache_dir`, which several processes may use.
///
/// # Errors
/// As those of [`resolve`]; and when the commit cannot be fetched, has no such subdirectory, or `dest` cannot be written.
pub async fn checkout(
    git: &op::Git,
    cache_dir: &Path,
    dest: &Path,
    auth: &Auth,
) -> Result<Checkout> {
    let mut tip = reference::resolve(git, auth).await?;
    let mut repository = Repository::open(cache_dir, git, &tip, auth).await?;
    let mut moves = 0;
    loop {
        match check_out_of(&repository, git, &tip, dest, auth).await {
            Ok(Some(checkout)) => {
                repository.close()?;
                return Ok(checkout);
            }
            Ok(None) if tip.name.is_some() && moves < MOVES => {
                moves += 1;
                tip = reference::resolve(git, auth).await?;
            }
            Ok(None) => {
                repository.close()?;
                return Err(missing(git, &tip.label));
            }
            // What is kept may be what is wrong.
            Err(error @ Error::Git { .. }) if repository.is_old() => {
                tracing::debug!(%error, "fetching into a new repository");
                worktree::clear(dest)?;
                repository = repository.renew(git, &tip).await?;
            }
            Err(error) => {
                repository.close()?;
                return Err(error);
            }
        }
    }
}

/// The commit; nothing if the remote moved meanwhile.
async fn check_out_of(
    repository: &Repository,
    git: &op::Git,
    tip: &Tip,
    dest: &Path,
    auth: &Auth,
) -> Result<Option<Checkout>> {
    if !repository.fetch(tip).await? {
        return Ok(None);
    }
    let commit = repository.commit_of(&tip.object).await?;
    worktree::check_out(repository, git, tip, &commit, dest, auth).await?;
    let time = repository.time_of(&commit).await?;
    if git.commit_time {
        worktree::set_times(dest, time).await?;
    }
    Ok(Some(Checkout { commit, time }))
}

fn missing(git: &op::Git, reference: &str) -> Error {
    Error::GitReference {
        remote: redact(&git.remote),
        reference: reference.to_owned(),
    }
}
