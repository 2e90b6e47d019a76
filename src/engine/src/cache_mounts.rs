//! Directories of `RUN --mount=type=cache`: which outlive builds, and who may use one at the same time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use stromatekt_graph::run::Sharing;
use stromatekt_oci::digest::Digest;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// How a new directory looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// A cache directory in use. The lock ends with this value, or with the process.
#[derive(Debug)]
pub(crate) struct CacheDirectory {
    /// The directory.
    pub path: PathBuf,
    _lock: File,
}

/// How long to wait before looking again whether a directory is free: what holds it is a process that takes seconds.
const POLL: Duration = Duration::from_millis(20);

/// Takes the cache `id` of the caches in `root`; `populate` fills a new one. As BuildKit, `locked` waits until nobody else uses it, `private` takes
/// another directory of the same id when the first is in use, and `shared` uses it together with others.
pub(crate) async fn take(
    root: &Path,
    id: &str,
    sharing: Sharing,
    fresh: Fresh,
    mut populate: impl FnMut(&Path) -> Result<()>,
    cancel: &CancellationToken,
) -> Result<CacheDirectory> {
    // Hashed: the id is any text, and must not become a path.
    let home = root.join(Digest::of(id).hex());
    fs::create_dir_all(&home).map_err(Error::file("make the cache directory", &home))?;
    let mut number = 0_u32;
    loop {
        let lock_path = home.join(format!("{number}.lock"));
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(Error::file("open", &lock_path))?;
        let path = home.join(number.to_string());
        // A new directory is made under the exclusive lock in any case.
        let locked = if sharing == Sharing::Shared && path.exists() {
            lock.try_lock_shared()
        } else {
            lock.try_lock()
        };
        match locked {
            Ok(()) => {
                let is_new = !path.exists();
                if is_new {
                    make(&path, fresh, &mut populate)?;
                }
                // A new one was locked against everybody: shared users take it once more, shared.
                if !(is_new && sharing == Sharing::Shared) {
                    return Ok(CacheDirectory { path, _lock: lock });
                }
            }
            Err(TryLockError::WouldBlock) if sharing == Sharing::Private => number += 1,
            Err(TryLockError::WouldBlock) => {
                tokio::select! {
                    () = cancel.cancelled() => return Err(Error::Canceled),
                    () = tokio::time::sleep(POLL) => {}
                }
            }
            Err(TryLockError::Error(error)) => return Err(Error::file("lock", lock_path)(error)),
        }
    }
}

fn make(path: &Path, fresh: Fresh, populate: &mut impl FnMut(&Path) -> Result<()>) -> Result<()> {
    let unfinished = path.with_extension("new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(Error::file("remove", &unfinished))?;
    }
    fs::create_dir(&unfinished).map_err(Error::file("make the directory", &unfinished))?;
    // Without special bits, and as the umask of docker's daemon leaves it.
    let mode = fresh.mode & 0o777 & !0o022;
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(mode))
        .map_err(Error::file("set the mode of", &unfinished))?;
    chown(&unfinished, Some(fresh.uid), Some(fresh.gid))
        .map_err(Error::file("set the owner of", &unfinished))?;
    // What is filled from another tree is as it is there, the directory itself as well.
    populate(&unfinished)?;
    fs::rename(&unfinished, path).map_err(Error::file("name", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(root: &Path, sharing: Sharing) -> CacheDirectory {
        let fresh = Fresh {
            mode: 0o755,
            uid: nix::unistd::getuid().as_raw(),
            gid: nix::unistd::getgid().as_raw(),
        };
        let none = |_: &Path| Ok(());
        take(
            root,
            "../id",
            sharing,
            fresh,
            none,
            &CancellationToken::new(),
        )
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn a_shared_cache_is_the_same_for_all_and_a_private_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let first = get(root.path(), Sharing::Shared).await;
        let second = get(root.path(), Sharing::Shared).await;
        assert_eq!(first.path, second.path);
        let third = get(root.path(), Sharing::Private).await;
        assert_ne!(first.path, third.path);
        drop((first, second));
        let fourth = get(root.path(), Sharing::Private).await;
        assert!(fourth.path.ends_with("0"), "the free one is used again");
    }

    #[tokio::test]
    async fn a_mode_is_as_docker_makes_it_unless_the_directory_comes_from_elsewhere() {
        let root = tempfile::tempdir().unwrap();
        let fresh = Fresh {
            mode: 0o1777,
            uid: nix::unistd::getuid().as_raw(),
            gid: nix::unistd::getgid().as_raw(),
        };
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let copied = |path: &Path| {
            let mode = fs::Permissions::from_mode(0o2710);
            fs::set_permissions(path, mode).map_err(Error::file("set the mode of", path))
        };
        let stop = CancellationToken::new();
        let new = take(
            root.path(),
            "a",
            Sharing::Shared,
            fresh,
            |_: &Path| Ok(()),
            &stop,
        );
        assert_eq!(mode(&new.await.unwrap().path), 0o755);
        let filled = take(root.path(), "b", Sharing::Shared, fresh, copied, &stop);
        assert_eq!(mode(&filled.await.unwrap().path), 0o2710);
    }

    #[tokio::test]
    async fn a_locked_cache_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let first = get(root.path(), Sharing::Locked).await;
        let waiting = get(root.path(), Sharing::Locked);
        tokio::pin!(waiting);
        assert!(
            tokio::time::timeout(Duration::from_millis(60), &mut waiting)
                .await
                .is_err(),
            "two have it at the same time"
        );
        drop(first);
        assert!(waiting.await.path.ends_with("0"));
    }
}
