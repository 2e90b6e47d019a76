//! Trees in their snapshots: found by id, forked into drafts, sealed.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stromatekt_oci::changeset::Changeset;
use stromatekt_oci::digest::Digest;
use stromatekt_snapshot::{SnapshotName, Snapshotter};
use stromatekt_store::{Kept, Store, TreeId};

use crate::error::{Error, Result};

/// A tree that exists as a sealed snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    pub id: TreeId,
    pub snapshot: SnapshotName,
}

/// The snapshots of a store.
pub(crate) struct Snapshots {
    store: Arc<Store>,
    backend: Box<dyn Snapshotter>,
}

/// A writable snapshot that nobody else knows; removed when it is dropped.
pub(crate) struct Draft {
    snapshots: Arc<Snapshots>,
    name: SnapshotName,
    kept: bool,
}

impl Snapshots {
    pub fn open(store: Arc<Store>, config: &stromatekt_snapshot::Config) -> Result<Arc<Self>> {
        let backend = stromatekt_snapshot::open(store.root(), config)?;
        let snapshots = Arc::new(Self { store, backend });
        snapshots.sweep()?;
        Ok(snapshots)
    }

    /// The tree with this id, where it exists.
    pub fn find(&self, id: TreeId) -> Result<Option<Tree>> {
        match self.store.tree(&id)? {
            Some(name) => Ok(Some(Tree {
                id,
                snapshot: parse(name)?,
            })),
            None => Ok(None),
        }
    }

    /// The tree that the step `key` made.
    pub fn find_step(&self, key: &Digest) -> Result<Option<Tree>> {
        match self.store.step(key)? {
            Some((id, name)) => Ok(Some(Tree {
                id,
                snapshot: parse(name)?,
            })),
            None => Ok(None),
        }
    }

    /// Where the files of a tree are.
    pub fn path(&self, tree: &Tree) -> PathBuf {
        self.backend.path(&tree.snapshot)
    }

    /// The root directory of a tree; of an empty directory for none.
    pub fn root(&self, tree: Option<&Tree>) -> Result<stromatekt_kernel::Root> {
        match tree {
            Some(tree) => open_root(&self.path(tree)),
            None => open_root(&self.store.directory("empty")?),
        }
    }

    /// A writable copy of a tree; an empty one of none.
    pub fn fork(self: &Arc<Self>, parent: Option<&Tree>) -> Result<Draft> {
        self.fork_snapshot(parent.map(|tree| &tree.snapshot))
    }

    fn fork_snapshot(self: &Arc<Self>, parent: Option<&SnapshotName>) -> Result<Draft> {
        let name = parse(self.store.lease().next_name())?;
        self.backend.fork(parent, &name)?;
        Ok(Draft {
            snapshots: Arc::clone(self),
            name,
            kept: false,
        })
    }

    /// Where two trees differ; `touched` are the paths at which they may, where that is known.
    pub fn diff(
        &self,
        lower: Option<&Tree>,
        upper: &Tree,
        touched: Option<&BTreeSet<PathBuf>>,
    ) -> Result<Changeset> {
        let lower = lower.map(|tree| &tree.snapshot);
        let Some(paths) = touched else {
            return Ok(self.backend.diff(lower, &upper.snapshot)?);
        };
        let changes = self.backend.diff_at(lower, &upper.snapshot, paths)?;
        // What was not told would be missing in the layer: each test that copies files tests this.
        debug_assert_eq!(changes, self.backend.diff(lower, &upper.snapshot)?);
        Ok(changes)
    }

    /// Makes sure that so many bytes fit.
    pub fn ensure_space(&self, bytes: u64) -> Result<()> {
        Ok(self.backend.ensure_space(bytes)?)
    }

    /// Fails if the disk is full, or did not take what was written.
    pub fn check(&self) -> Result<()> {
        Ok(self.backend.check()?)
    }

    /// What is wrong with the disk, where that is why work on a snapshot failed; else the failure itself.
    pub fn explain(&self, failure: Error) -> Error {
        match self.backend.check() {
            Ok(()) => failure,
            Err(reason) => reason.into(),
        }
    }

    /// Everything done so far survives a crash of the machine after this.
    pub fn sync(&self) -> Result<()> {
        Ok(self.backend.sync()?)
    }

    /// Removes all snapshots that no row names; how many. Nobody else may have the store open.
    pub fn remove_unknown(&self) -> Result<usize> {
        let known: HashSet<String> = self.store.snapshots()?.into_iter().collect();
        let unknown = self.backend.list()?.into_iter();
        let unknown: Vec<_> = unknown
            .filter(|name| !known.contains(name.as_str()))
            .collect();
        for name in &unknown {
            self.backend.remove(name)?;
        }
        Ok(unknown.len())
    }

    /// Removes what processes left that died.
    fn sweep(&self) -> Result<()> {
        let dead = self.store.dead_leases()?;
        if dead.is_empty() && !self.store.lost_rows() {
            return Ok(());
        }
        // Listed before the rows are read: what gets its row in between is in use by a living process.
        let names = self.backend.list()?;
        let known: HashSet<String> = self.store.snapshots()?.into_iter().collect();
        for name in names {
            let lease = name.as_str().split('.').next().unwrap_or_default();
            let is_dead = dead.iter().any(|dead| dead.id == lease);
            if (is_dead || !self.store.has_lease(lease)) && !known.contains(name.as_str()) {
                tracing::debug!(snapshot = %name, "removing what a dead process left");
                self.backend.remove(&name)?;
            }
        }
        for lease in dead {
            lease.finish()?;
        }
        Ok(())
    }
}

impl Draft {
    /// Where its files are.
    pub fn path(&self) -> PathBuf {
        self.snapshots.backend.path(&self.name)
    }

    /// Its root directory, which nothing in it leads out of.
    pub fn root(&self) -> Result<stromatekt_kernel::Root> {
        open_root(&self.path())
    }

    /// Makes it read-only. It still goes when it is dropped.
    pub fn seal(&self) -> Result<()> {
        Ok(self.snapshots.backend.seal(&self.name)?)
    }

    /// A writable copy of it, once it is sealed.
    pub fn fork(&self) -> Result<Self> {
        self.snapshots.fork_snapshot(Some(&self.name))
    }

    /// Seals it, and keeps it as the tree `id`. When another process made the same tree meanwhile, that one is the answer.
    pub fn keep_as(self, id: TreeId) -> Result<Tree> {
        self.keep(id, |store, name| store.add_tree(&id, name))
    }

    /// Seals it, and keeps it as the tree `id` that the step `key` made. What was made at the same time elsewhere is the answer here too,
    /// unless this is to `replace` what is known.
    pub fn keep_as_step(self, key: &Digest, id: TreeId, replace: bool) -> Result<Tree> {
        self.keep(id, |store, name| store.add_step(key, &id, name, replace))
    }

    fn keep(
        mut self,
        id: TreeId,
        add: impl FnOnce(&Store, &str) -> stromatekt_store::Result<Kept>,
    ) -> Result<Tree> {
        self.seal()?;
        match add(&self.snapshots.store, self.name.as_str())? {
            Kept::Offered => {
                self.kept = true;
                Ok(Tree {
                    id,
                    snapshot: self.name.clone(),
                })
            }
            Kept::Earlier(id, name) => Ok(Tree {
                id,
                snapshot: parse(name)?,
            }),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Err(error) = self.snapshots.backend.remove(&self.name) {
            // The next process that opens the store finds it without a row, and removes it.
            tracing::warn!(snapshot = %self.name, %error, "cannot remove an unfinished snapshot");
        }
    }
}

/// Opens a directory of this machine as a root that nothing under it can lead out of.
pub(crate) fn open_root(path: &Path) -> Result<stromatekt_kernel::Root> {
    stromatekt_kernel::Root::open(path).map_err(Error::file("open", path))
}

fn parse(name: String) -> Result<SnapshotName> {
    SnapshotName::new(name).map_err(|error| {
        stromatekt_store::Error::Damaged {
            what: error.to_string(),
        }
        .into()
    })
}
