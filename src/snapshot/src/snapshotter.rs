//! What every backend of snapshots can do.

use std::collections::BTreeSet;
use std::path::PathBuf;

use stromatekt_oci::changeset::Changeset;

use crate::{Result, SnapshotName};

/// Keeps trees by name. A snapshot is forked, changed through its [`path`](Self::path), and sealed; from then on it is a tree
/// that nothing changes, which others are forked from and compared with.
///
/// All calls may be made at once from several threads and processes, for different names.
pub trait Snapshotter: Send + Sync {
    /// Where the snapshot's root directory is, whether it exists or not.
    fn path(&self, name: &SnapshotName) -> PathBuf;

    /// Makes a writable snapshot `new` that equals the sealed `parent`; without a parent, an empty directory of mode 0755 and
    /// owner 0:0. That `new` exists already is an error.
    fn fork(&self, parent: Option<&SnapshotName>, new: &SnapshotName) -> Result<()>;

    /// Makes the snapshot read-only, for good. Sealing once more changes nothing.
    fn seal(&self, name: &SnapshotName) -> Result<()>;

    /// Where the sealed tree `upper` differs from the sealed tree `lower`, or from the empty tree.
    ///
    /// An entry differs when its kind, mode, owner, extended attributes or device number do, and, but for directories, when its
    /// size, modification time, content, link target or the set of its hard links do. (The times of directories are not compared:
    /// they follow from changes inside; BuildKit's differ does the same.) When one name of a file is changed, all its names are,
    /// so that a layer can keep them linked. The root directory itself, the empty path, may be among the changed ones.
    fn diff(&self, lower: Option<&SnapshotName>, upper: &SnapshotName) -> Result<Changeset>;

    /// As [`diff`](Self::diff), of trees that are known to differ only at and below `paths`, and at the directories above them.
    fn diff_at(
        &self,
        lower: Option<&SnapshotName>,
        upper: &SnapshotName,
        paths: &BTreeSet<PathBuf>,
    ) -> Result<Changeset>;

    /// Removes the snapshot, sealed or not; that there is none is fine. Its space is free some time after.
    fn remove(&self, name: &SnapshotName) -> Result<()>;

    /// The names of all snapshots, sealed or not, sorted.
    fn list(&self) -> Result<Vec<SnapshotName>>;

    /// Whether the snapshot exists.
    fn exists(&self, name: &SnapshotName) -> Result<bool>;

    /// Whether the snapshot exists and is sealed.
    fn is_sealed(&self, name: &SnapshotName) -> Result<bool>;

    /// Returns when all that was done to the snapshots so far would survive a power failure.
    ///
    /// Fails if any write failed since the snapshots were opened, be it of another process: what is not synced is not to be relied
    /// on.
    fn sync(&self) -> Result<()>;

    /// Fails if the disk let writes fail, or is full: why a process in a snapshot came to grief.
    fn check(&self) -> Result<()>;

    /// How many bytes can be written before the disk is full.
    fn available_bytes(&self) -> Result<u64>;

    /// Makes sure that so many bytes can be written, growing what can grow; fails with [`crate::Error::NoSpace`] otherwise.
    fn ensure_space(&self, bytes: u64) -> Result<()>;
}
