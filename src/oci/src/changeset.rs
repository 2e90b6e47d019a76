//! A changeset: what turns one tree into another (image-spec `layer.md`, "Change Types").

use std::collections::BTreeSet;
use std::path::PathBuf;

/// The paths at which a tree differs from the tree before it.
///
/// Paths are relative to the root of the tree, without `.` or `..`; the empty path is the root directory itself. What an entry
/// has become is not kept here but read from the later tree when the changeset is packed: a changeset says *where*.
///
/// A path may be in both sets: then something else stood there before. (Layers need no whiteout for an entry that they replace, and
/// [`crate::pack`] writes none; but a directory is opaque then, lest it keep what an earlier one held.)
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Changeset {
    /// Entries that were added or modified: each one alone, so a new directory's children are listed too.
    pub changed: BTreeSet<PathBuf>,
    /// Entries that are gone. Only the topmost: what a removed directory held is not listed.
    pub removed: BTreeSet<PathBuf>,
}

impl Changeset {
    /// The changeset that changes nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }

    /// How many paths differ.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changed.len() + self.removed.len()
    }
}
