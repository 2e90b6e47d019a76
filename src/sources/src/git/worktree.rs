//! The files of a commit, with its submodules, and with `.git` where that is kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use stromatekt_graph::op;
use stromatekt_kernel::{Root, Timestamp, entry};

use super::auth::Auth;
use super::program::Program;
use super::reference::{Tip, is_commit_id};
use super::repository::Repository;
use crate::error::{Error, Result};
use crate::redact::redact;

const ATTEMPT: &str = "check out a commit";

/// Writes the files of `commit`, which is that of `tip`, into the empty directory `dest`.
pub(super) async fn check_out(
    repository: &Repository,
    git: &op::Git,
    tip: &Tip,
    commit: &str,
    dest: &Path,
    auth: &Auth,
) -> Result<()> {
    let dest = std::path::absolute(dest).map_err(Error::file("find", dest))?;
    let subdirectory = components(git.subdirectory.as_deref().unwrap_or_default());
    if !subdirectory.is_empty() {
        // On the same file system, from where its directories can be moved.
        let whole = tempfile::Builder::new()
            .prefix(".checkout-")
            .tempdir_in(&dest)
            .map_err(Error::file("make a directory in", &dest))?;
        plain(repository, git, commit, whole.path()).await?;
        let (git, dest) = (git.clone(), dest.clone());
        return blocking(move || {
            let from = find(&git, whole.path(), &subdirectory)?;
            move_entries(&from, &dest)?;
            let path = whole.path().to_owned();
            whole.close().map_err(Error::file("remove", path))
        })
        .await;
    }
    match git.keep_git_dir {
        true => with_git_dir(repository, git, tip, &dest, auth).await,
        false => plain(repository, git, commit, &dest).await,
    }
}

/// Removes what is in a directory.
pub(super) fn clear(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory).map_err(Error::file("read", directory))? {
        let entry = entry.map_err(Error::file("read", directory))?;
        let path = entry.path();
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        match is_directory {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        }
        .map_err(Error::file("remove", &path))?;
    }
    Ok(())
}

/// The files alone.
async fn plain(repository: &Repository, git: &op::Git, commit: &str, dest: &Path) -> Result<()> {
    let index = repository.path().join("checkout-index");
    match fs::remove_file(&index) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::file("remove", &index)(error));
        }
        _ => {}
    }
    let program = repository.program().clone().work_tree(dest).index(&index);
    let checkout = ["checkout", "--quiet", "--no-overlay", commit, "--", "."];
    program.run(ATTEMPT, checkout).await?;
    if !git.skip_submodules && submodules(&program, dest).await? {
        let dest = dest.to_owned();
        blocking(move || remove_git_entries(&dest)).await?;
    }
    Ok(())
}

/// The files, and a repository with this commit alone: with the references that BuildKit's has.
async fn with_git_dir(
    repository: &Repository,
    git: &op::Git,
    tip: &Tip,
    dest: &Path,
    auth: &Auth,
) -> Result<()> {
    let git_dir = dest.join(".git");
    let mut init = vec!["init", "--quiet"];
    init.extend(Repository::format(tip));
    let new = Program::new(&git.remote).auth(auth);
    fs::create_dir(&git_dir).map_err(Error::file("make", &git_dir))?;
    let program = new.git_dir(&git_dir).work_tree(dest);
    program.run(ATTEMPT, init).await?;

    let kept = Repository::name_of(&tip.object);
    // Where the remote told it, the full name of a branch.
    let name = tip.name.as_deref().unwrap_or(&tip.label);
    let wanted = match (repository.is_tag(&tip.object).await?, name) {
        (false, label) if is_commit_id(label) => kept,
        (false, label) if label.starts_with("refs/") => format!("{kept}:{label}"),
        (_, label) => {
            let label = label.strip_prefix("refs/tags/").unwrap_or(label);
            format!("{kept}:refs/tags/{label}")
        }
    };
    let source = repository.path().as_os_str();
    let fetch = [
        "fetch",
        "--quiet",
        "--no-tags",
        "--update-head-ok",
        "--depth=1",
        "--",
    ];
    let fetch = fetch.iter().map(AsRef::as_ref);
    program
        .run(ATTEMPT, fetch.chain([source, wanted.as_ref()]))
        .await?;
    program
        .run(ATTEMPT, ["checkout", "--quiet", "FETCH_HEAD"])
        .await?;
    let origin = ["remote", "add", "origin", &redact(&git.remote)];
    program.run(ATTEMPT, origin).await?;
    // Neither tells anything but where the commit was fetched from on this machine.
    program
        .run(ATTEMPT, ["reflog", "expire", "--all", "--expire=now"])
        .await?;
    let fetch_head = git_dir.join("FETCH_HEAD");
    fs::remove_file(&fetch_head).map_err(Error::file("remove", &fetch_head))?;
    if !git.skip_submodules {
        submodules(&program, dest).await?;
    }
    Ok(())
}

/// Gives everything in a directory, and the directory itself, this time.
pub(super) async fn set_times(directory: &Path, seconds: i64) -> Result<()> {
    let directory = directory.to_owned();
    blocking(move || {
        let time = Timestamp::from_seconds(seconds);
        let root = Root::open(&directory).map_err(Error::file("open", &directory))?;
        let mut directories = vec![PathBuf::new()];
        let mut at = 0;
        while let Some(inner) = directories.get(at).cloned() {
            at += 1;
            let unreadable = || Error::file("read", directory.join(&inner));
            let opened = root.open_dir_no_symlinks(&inner).map_err(unreadable())?;
            let listed = opened.try_clone().and_then(entry::read_dir_fd);
            for found in listed.map_err(unreadable())? {
                let stat = entry::lstatat(&opened, &found.name).map_err(unreadable())?;
                if stat.is_dir() {
                    directories.push(inner.join(&found.name));
                } else {
                    entry::utimensat(&opened, &found.name, time, time).map_err(unreadable())?;
                }
            }
        }
        // What is in a directory comes after it in the list.
        for inner in directories.iter().rev() {
            root.open_dir_no_symlinks(inner)
                .and_then(|opened| entry::futimens(opened, time, time))
                .map_err(Error::file("set the time of", directory.join(inner)))?;
        }
        Ok(())
    })
    .await
}

/// Checks out the submodules. False if there are none.
async fn submodules(program: &Program, dest: &Path) -> Result<bool> {
    let listed = fs::symlink_metadata(dest.join(".gitmodules"));
    if !listed.is_ok_and(|listed| listed.is_file()) {
        return Ok(false);
    }
    let update = [
        "submodule",
        "--quiet",
        "update",
        "--init",
        "--recursive",
        "--depth=1",
    ];
    program.run("check out the submodules", update).await?;
    Ok(true)
}

/// Removes the files `.git` that lead from submodules to the repository: git tracks nothing of this name itself.
fn remove_git_entries(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory).map_err(Error::file("read", directory))? {
        let entry = entry.map_err(Error::file("read", directory))?;
        let path = entry.path();
        let kind = entry.file_type().map_err(Error::file("read", &path))?;
        if entry.file_name() == ".git" && kind.is_file() {
            fs::remove_file(&path).map_err(Error::file("remove", &path))?;
        } else if kind.is_dir() {
            remove_git_entries(&path)?;
        }
    }
    Ok(())
}

/// The parts of a path inside of the repository, none of which leads out of it.
fn components(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part.to_owned()),
        }
    }
    parts
}

/// The subdirectory. Symbolic links are not followed: they could lead anywhere.
fn find(git: &op::Git, root: &Path, subdirectory: &[String]) -> Result<PathBuf> {
    let mut path = root.to_owned();
    for part in subdirectory {
        path.push(part);
        let reason = match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => continue,
            Ok(_) => format!("`{part}` is no directory"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                format!("`{part}` does not exist")
            }
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        return Err(Error::GitSubdirectory {
            remote: redact(&git.remote),
            subdirectory: subdirectory.join("/"),
            reason,
        });
    }
    Ok(path)
}

fn move_entries(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).map_err(Error::file("read", from))? {
        let entry = entry.map_err(Error::file("read", from))?;
        let target = to.join(entry.file_name());
        fs::rename(entry.path(), &target).map_err(Error::file("move files to", target))?;
    }
    Ok(())
}

/// Runs work on many files beside the tasks.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and nobody will read this.
            Err(error) => Err(Error::GitProgram {
                source: io::Error::other(error),
            }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subdirectories_stay_inside() {
        for (path, wanted) in [
            ("", vec![]),
            ("/", vec![]),
            ("a//b/", vec!["a", "b"]),
            ("./a/../b", vec!["b"]),
            ("../../etc", vec!["etc"]),
        ] {
            assert_eq!(components(path), wanted, "{path}");
        }
    }
}
