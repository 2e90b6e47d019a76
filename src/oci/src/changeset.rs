//! A changeset: what turns one tree into another (image-spec `layer.md`, "Change Types").

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

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

    /// The paths that differ, with the directories above them: what a layer of this changeset mentions.
    #[must_use]
    pub fn with_ancestors(&self) -> BTreeSet<&Path> {
        let mut paths = BTreeSet::new();
        for path in self.changed.iter().chain(&self.removed) {
            paths.extend(path.ancestors());
        }
        paths
    }

    /// The changeset of doing `self` and then `next`.
    #[must_use]
    pub fn then(mut self, next: &Self) -> Self {
        for gone in &next.removed {
            self.changed.retain(|path| !path.starts_with(gone));
            self.removed.retain(|path| !path.starts_with(gone));
            if !gone
                .ancestors()
                .skip(1)
                .any(|above| self.removed.contains(above) && !self.changed.contains(above))
            {
                self.removed.insert(gone.clone());
            }
        }
        self.changed.extend(next.changed.iter().cloned());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(paths: &[&str]) -> BTreeSet<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn a_later_removal_swallows_what_was_changed_below_it() {
        let first = Changeset {
            changed: set(&["a", "a/b", "c"]),
            removed: set(&["a/x"]),
        };
        let second = Changeset {
            changed: set(&["d"]),
            removed: set(&["a"]),
        };
        assert_eq!(
            first.then(&second),
            Changeset {
                changed: set(&["c", "d"]),
                removed: set(&["a"])
            }
        );
    }

    #[test]
    fn the_root_directory_is_an_ancestor_of_everything() {
        let changes = Changeset {
            changed: set(&["a/b"]),
            removed: set(&[]),
        };
        assert_eq!(
            changes.with_ancestors().into_iter().collect::<Vec<_>>(),
            ["", "a", "a/b"].map(Path::new)
        );
    }
}
