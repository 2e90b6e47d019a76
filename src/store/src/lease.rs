//! Leases: which process owns what no row of the database names yet.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::database::Store;
use crate::error::{Error, Result};

/// The right of this process to make snapshots and temporary files under its own name, given up when it ends in whatever way.
pub struct Lease {
    id: String,
    path: PathBuf,
    scratch: PathBuf,
    next: AtomicU64,
    // Locked; the kernel unlocks it when the process dies.
    _file: File,
}

/// A lease whose process is gone, locked by this one while it cleans up.
pub struct DeadLease {
    /// Its id: snapshots of it are named `<id>.<number>`.
    pub id: String,
    path: PathBuf,
    scratch: PathBuf,
    _file: File,
}

impl Lease {
    pub(crate) fn take(root: &Path) -> Result<Self> {
        let leases = root.join("leases");
        let since_1970 = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        for attempt in 0_u32.. {
            let unique = since_1970
                .as_nanos()
                .wrapping_add(u128::from(attempt) << 64);
            let id = format!("{unique:x}-{:x}", std::process::id());
            let path = leases.join(&id);
            // Locked before it has its name: nobody can find it unlocked while its owner lives.
            let unnamed = leases.join(format!(".{id}"));
            let file = match OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&unnamed)
            {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(Error::file("make the lease", &unnamed)(error)),
            };
            file.try_lock().map_err(|error| match error {
                TryLockError::Error(error) => Error::file("lock the lease", &unnamed)(error),
                TryLockError::WouldBlock => {
                    Error::file("lock the lease", &unnamed)(std::io::ErrorKind::WouldBlock.into())
                }
            })?;
            fs::rename(&unnamed, &path).map_err(Error::file("name the lease", &path))?;
            let scratch = root.join("scratch").join(&id);
            fs::create_dir(&scratch).map_err(Error::file("make the directory", &scratch))?;
            return Ok(Self {
                id,
                path,
                scratch,
                next: AtomicU64::new(0),
                _file: file,
            });
        }
        unreachable!("some attempt succeeds or fails")
    }

    /// The id; snapshots of this process are named `<id>.<number>`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A name that no snapshot has.
    pub fn next_name(&self) -> String {
        format!("{}.{}", self.id, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// The directory for temporary files; removed with the lease.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// A path for a temporary file that does not exist yet.
    pub fn scratch_file(&self) -> PathBuf {
        self.scratch
            .join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // What cannot be removed is found by the next process, which sees that nobody holds the lease.
        if fs::remove_dir_all(&self.scratch).is_ok() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl DeadLease {
    /// Forgets the lease, once its snapshots are gone.
    ///
    /// # Errors
    /// When its temporary files cannot be removed.
    pub fn finish(self) -> Result<()> {
        match fs::remove_dir_all(&self.scratch) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file("remove", &self.scratch)(error));
            }
            _ => {}
        }
        fs::remove_file(&self.path).map_err(Error::file("remove", &self.path))
    }
}

impl Store {
    /// Whether there is a lease with this id, of a process that lives or that died.
    pub fn has_lease(&self, id: &str) -> bool {
        self.root().join("leases").join(id).exists()
    }

    /// The leases of processes that died without cleaning up; each is given to one caller only.
    ///
    /// # Errors
    /// When the directory of leases cannot be read.
    pub fn dead_leases(&self) -> Result<Vec<DeadLease>> {
        let leases = self.root().join("leases");
        let mut dead = Vec::new();
        for entry in fs::read_dir(&leases).map_err(Error::file("list", &leases))? {
            let entry = entry.map_err(Error::file("list", &leases))?;
            let Ok(id) = entry.file_name().into_string() else {
                continue;
            };
            if id == self.lease().id {
                continue;
            }
            let Ok(file) = File::open(entry.path()) else {
                continue;
            };
            // A file without its name yet is locked in the next instant: leave it alone for a while.
            let young = file
                .metadata()
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|made| made.elapsed().is_ok_and(|age| age.as_secs() < 60));
            if (id.starts_with('.') && young) || file.try_lock().is_err() || !entry.path().exists()
            {
                continue;
            }
            let id = id.trim_start_matches('.').to_owned();
            dead.push(DeadLease {
                scratch: self.root().join("scratch").join(&id),
                id,
                path: entry.path(),
                _file: file,
            });
        }
        Ok(dead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_dead_only_when_nobody_holds_it() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let other = Store::open(root.path()).unwrap();
        assert!(store.dead_leases().unwrap().is_empty(), "both are alive");
        fs::write(root.path().join("leases/gone"), "").unwrap();
        let dead = store.dead_leases().unwrap();
        assert_eq!(dead.len(), 1);
        assert!(
            other.dead_leases().unwrap().is_empty(),
            "it is given to one only"
        );
        for lease in dead {
            lease.finish().unwrap();
        }
        assert!(!root.path().join("leases/gone").exists());
    }

    #[test]
    fn closing_a_store_leaves_no_lease_and_no_scratch() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        fs::write(store.lease().scratch_file(), "x").unwrap();
        drop(store);
        for directory in ["leases", "scratch"] {
            let left = fs::read_dir(root.path().join(directory)).unwrap().count();
            assert_eq!(left, 0, "{directory}");
        }
    }
}
