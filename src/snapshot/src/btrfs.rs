//! Snapshots as btrfs subvolumes: a fork is a snapshot of a subvolume, a diff the kernel's send stream between two.
//!
//! ```text
//! <root>/owner              the state directory whose snapshots these are
//! <root>/snapshots/<name>   a subvolume each; sealed ones are read-only
//! ```
//!
//! Nobody but root comes into `snapshots`: what a build makes there may be setuid.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use stromatekt_kernel::beneath::OFlag;
use stromatekt_kernel::btrfs::{self, SubvolumeInfo, Uuid};
use stromatekt_kernel::{Root, entry, mount, send_stream};
use stromatekt_oci::Changeset;

use crate::compare::{self, Failure};
use crate::error::{Error, Result};
use crate::replay::Replay;
use crate::{SnapshotName, Snapshotter, nested};

/// With less than this available, btrfs refuses some writes, and takes its time for others.
const FULL: u64 = 16 << 20;

/// Snapshots as subvolumes of a btrfs.
#[derive(Debug)]
pub struct Btrfs {
    root: PathBuf,
    /// The directory that holds the subvolumes.
    dir: OwnedFd,
    path: PathBuf,
    /// Which subvolume is a snapshot of which, as far as it was asked for.
    parents: Mutex<HashMap<Uuid, Uuid>>,
    /// How many writes had failed before this.
    failed_writes: u64,
}

impl Btrfs {
    /// The snapshots in a directory on btrfs, which is made ready where it is new to this.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        if !btrfs::is_btrfs(&root)? {
            return Err(Error::NotBtrfs { path: root });
        }
        let path = root.join("snapshots");
        match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::file("make the directory", &path)(error));
            }
            _ => {}
        }
        let dir = fs::File::open(&path).map_err(Error::file("open", &path))?;
        let failed_writes =
            btrfs::failed_writes(&dir).map_err(Error::file("look at the device of", &path))?;
        Ok(Self {
            root,
            dir: dir.into(),
            path,
            failed_writes,
            parents: Mutex::default(),
        })
    }

    /// As [`Btrfs::open`], for the store of one state directory alone.
    pub fn open_for(root: impl Into<PathBuf>, state_dir: &Path) -> Result<Self> {
        let opened = Self::open(root)?;
        opened.claim(state_dir)?;
        Ok(opened)
    }

    /// Makes sure that no other store that still exists has its snapshots here: it would take these for garbage.
    fn claim(&self, state_dir: &Path) -> Result<()> {
        let file = self.root.join("owner");
        let state_dir = state_dir
            .canonicalize()
            .map_err(Error::file("find", state_dir))?;
        let owner = match fs::read(&file) {
            Ok(owner) => PathBuf::from(std::ffi::OsStr::from_bytes(&owner)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => PathBuf::new(),
            Err(error) => return Err(Error::file("read", &file)(error)),
        };
        if owner == state_dir {
            return Ok(());
        }
        if !owner.as_os_str().is_empty() && owner.exists() {
            let path = self.root.clone();
            return Err(Error::Owned { path, owner });
        }
        let fresh = self.root.join(format!(".owner-{}", std::process::id()));
        fs::write(&fresh, state_dir.as_os_str().as_bytes())
            .map_err(Error::file("write", &fresh))?;
        fs::rename(&fresh, &file).map_err(Error::file("write", &file))
    }

    /// Opens the root directory of a snapshot.
    fn subvolume(&self, name: &SnapshotName) -> Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        match entry::openat(&self.dir, name.as_str().as_ref(), flags, 0) {
            Ok(dir) => Ok(dir.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Error::Missing { name: name.clone() })
            }
            Err(error) => Err(Error::file("open", &self.path(name))(error)),
        }
    }

    /// Opens the root directory of a sealed snapshot.
    fn sealed(&self, name: &SnapshotName) -> Result<(OwnedFd, SubvolumeInfo)> {
        let subvolume = self.subvolume(name)?;
        let info = self.info(name, &subvolume)?;
        match info.read_only {
            true => Ok((subvolume, info)),
            false => Err(Error::NotSealed { name: name.clone() }),
        }
    }

    fn info(&self, name: &SnapshotName, subvolume: &OwnedFd) -> Result<SubvolumeInfo> {
        btrfs::subvolume_info(subvolume)
            .map_err(Error::file("look at the subvolume", &self.path(name)))
    }

    /// Whether `upper` was forked from `lower`, or from what was forked from it, and so on.
    ///
    /// Only then inode numbers mean the same in both, which the kernel takes for granted when it compares.
    fn descends(&self, upper: &SubvolumeInfo, lower: &SubvolumeInfo) -> Result<bool> {
        let mut parents = self.parents.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all_known = false;
        let mut parent = upper.parent_uuid;
        while parent != lower.uuid {
            if let Some(next) = parents.get(&parent) {
                parent = *next;
            } else if all_known || parent == Uuid::default() {
                return Ok(false);
            } else {
                parents.clear();
                for name in self.list()? {
                    // Another process may remove it meanwhile.
                    let Ok(subvolume) = self.subvolume(&name) else {
                        continue;
                    };
                    let info = self.info(&name, &subvolume)?;
                    parents.insert(info.uuid, info.parent_uuid);
                }
                all_known = true;
            }
        }
        Ok(true)
    }

    /// Has the space of removed snapshots freed soon.
    pub(crate) fn reclaim(&self) -> Result<()> {
        btrfs::sync_and_clean(&self.dir).map_err(Error::file("sync", &self.path))
    }

    /// Compares two trees: at `paths`, or where the kernel says that they differ.
    fn compare(
        &self,
        lower: Option<&SnapshotName>,
        upper: &SnapshotName,
        paths: Option<&BTreeSet<PathBuf>>,
    ) -> Result<Changeset> {
        self.compare_at(lower, upper, paths)?
            .map_err(|Failure { path, source }| Error::Compare {
                name: upper.clone(),
                path,
                source,
            })
    }

    fn compare_at(
        &self,
        lower: Option<&SnapshotName>,
        upper: &SnapshotName,
        paths: Option<&BTreeSet<PathBuf>>,
    ) -> Result<Result<Changeset, Failure>> {
        let (upper_dir, upper_info) = self.sealed(upper)?;
        let tree = |dir: &OwnedFd, name| {
            let dir = dir
                .try_clone()
                .map_err(Error::file("open", &self.path(name)));
            Ok::<_, Error>(Root::from(dir?))
        };
        let upper_tree = tree(&upper_dir, upper)?;
        let Some(lower) = lower else {
            return Ok(compare::everything(&upper_tree));
        };
        let (lower_dir, lower_info) = self.sealed(lower)?;
        let lower_tree = tree(&lower_dir, lower)?;
        let descends = self.descends(&upper_info, &lower_info)?;
        let hints = match paths {
            Some(paths) if descends => compare::at_paths(paths),
            None if descends => {
                let mut replay = Replay::new();
                let malformed = send_stream::StreamError::Malformed;
                send_stream::compare(&upper_dir, lower_info.id, |command| {
                    replay.apply(command).map_err(malformed)
                })
                .map_err(|source| Error::Stream {
                    name: upper.clone(),
                    source,
                })?;
                replay.finish()
            }
            _ => compare::anywhere(),
        };
        Ok(compare::changeset(&lower_tree, &upper_tree, &hints))
    }
}

impl Snapshotter for Btrfs {
    fn path(&self, name: &SnapshotName) -> PathBuf {
        self.path.join(name.as_str())
    }

    fn fork(&self, parent: Option<&SnapshotName>, new: &SnapshotName) -> Result<()> {
        let made = match parent {
            Some(parent) => {
                let (parent, _) = self.sealed(parent)?;
                btrfs::create_snapshot(&parent, &self.dir, new.as_str().as_ref())
            }
            None => btrfs::create_subvolume(&self.dir, new.as_str().as_ref()),
        };
        match made {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::Exists { name: new.clone() });
            }
            Err(error) => return Err(Error::file("make the subvolume", &self.path(new))(error)),
        }
        if parent.is_none() {
            // The kernel made it subject to the umask.
            let path = self.path(new);
            entry::fchmodat(&self.dir, new.as_str().as_ref(), 0o755)
                .and_then(|()| chown(&path, Some(0), Some(0)))
                .map_err(Error::file("set the owner of", &path))?;
        }
        Ok(())
    }

    fn seal(&self, name: &SnapshotName) -> Result<()> {
        let subvolume = self.subvolume(name)?;
        if self.info(name, &subvolume)?.read_only {
            return Ok(());
        }
        nested::flatten(&subvolume)
            .and_then(|()| btrfs::set_read_only(&subvolume, true))
            .map_err(Error::file("seal", &self.path(name)))
    }

    fn diff(&self, lower: Option<&SnapshotName>, upper: &SnapshotName) -> Result<Changeset> {
        self.compare(lower, upper, None)
    }

    fn diff_at(
        &self,
        lower: Option<&SnapshotName>,
        upper: &SnapshotName,
        paths: &BTreeSet<PathBuf>,
    ) -> Result<Changeset> {
        self.compare(lower, upper, Some(paths))
    }

    fn remove(&self, name: &SnapshotName) -> Result<()> {
        match nested::destroy(&self.dir, name.as_str().as_ref()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::file("remove the subvolume", &self.path(name))(error)),
        }
    }

    fn list(&self) -> Result<Vec<SnapshotName>> {
        let entries = fs::read_dir(&self.path).map_err(Error::file("read", &self.path))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::file("read", &self.path))?;
            // What has no such name was not made here.
            let name = entry.file_name().into_string().ok();
            names.extend(name.and_then(|name| SnapshotName::new(name).ok()));
        }
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, name: &SnapshotName) -> Result<bool> {
        match self.subvolume(name) {
            Ok(_) => Ok(true),
            Err(Error::Missing { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn is_sealed(&self, name: &SnapshotName) -> Result<bool> {
        match self.sealed(name) {
            Ok(_) => Ok(true),
            Err(Error::Missing { .. } | Error::NotSealed { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn sync(&self) -> Result<()> {
        mount::syncfs(self.dir.as_fd()).map_err(Error::file("sync", &self.path))
    }

    fn check(&self) -> Result<()> {
        let path = || self.root.clone();
        let space = mount::space(&self.path)?;
        let failed = btrfs::failed_writes(&self.dir).map_err(Error::file("look at", &self.path))?;
        if space.read_only {
            Err(Error::ReadOnly { path: path() })
        } else if failed > self.failed_writes {
            Err(Error::FailedWrites { path: path() })
        } else if space.available < FULL {
            Err(Error::Full { path: path() })
        } else {
            Ok(())
        }
    }

    fn available_bytes(&self) -> Result<u64> {
        Ok(mount::space(&self.path)?.available)
    }

    fn ensure_space(&self, bytes: u64) -> Result<()> {
        let available = self.available_bytes()?;
        match available >= bytes {
            true => Ok(()),
            false => Err(Error::NoSpace {
                path: self.root.clone(),
                needed: bytes,
                available,
            }),
        }
    }
}
