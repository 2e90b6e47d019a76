//! Trees, and the cache: which tree a step made when it last ran.

use std::fmt;
use std::time::SystemTime;

use rusqlite::OptionalExtension;
use stromatekt_oci::digest::Digest;

use crate::database::{Column, Store, nanoseconds};
use crate::error::Result;

/// What a tree is known by: the chain id of an image's layers (image-spec `config.md`, "Layer ChainID"), or the key of the step that made it.
/// Equal id, equal tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TreeId(pub Digest);

impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whose snapshot stands for a tree after [`Store::add_tree`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The one that was offered.
    Offered,
    /// Another process was first: its tree with its snapshot; the offered one is not needed.
    Earlier(TreeId, String),
}

impl Store {
    /// The snapshot of a tree, where there is one.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn tree(&self, id: &TreeId) -> Result<Option<String>> {
        self.first(
            "SELECT snapshot FROM tree WHERE id = ?1",
            [Column(id.0)],
            |row| row.get(0),
        )
    }

    /// Says that the sealed `snapshot` is the tree `id`.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn add_tree(&self, id: &TreeId, snapshot: &str) -> Result<Kept> {
        self.transaction(|db| add_tree(db, id, snapshot, &self.boot))
    }

    /// The tree that the step `key` made, and its snapshot.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn step(&self, key: &Digest) -> Result<Option<(TreeId, String)>> {
        self.query(|db| step(db, key))
    }

    /// Says that the step `key` made the tree `id`, which is the sealed `snapshot`.
    ///
    /// When the step is known already, the earlier tree counts, so that all who do the same at the same time go on with one result; unless
    /// `replace`.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn add_step(
        &self,
        key: &Digest,
        id: &TreeId,
        snapshot: &str,
        replace: bool,
    ) -> Result<Kept> {
        self.transaction(|db| {
            if !replace && let Some((earlier, snapshot)) = step(db, key)? {
                return Ok(Kept::Earlier(earlier, snapshot));
            }
            let kept = add_tree(db, id, snapshot, &self.boot)?;
            db.prepare_cached("INSERT OR REPLACE INTO step(key, tree) VALUES (?1, ?2)")?
                .execute((Column(*key), Column(id.0)))?;
            Ok(kept)
        })
    }

    /// The names of all snapshots that stand for trees.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn snapshots(&self) -> Result<Vec<String>> {
        self.query(|db| {
            db.prepare("SELECT snapshot FROM tree")?
                .query_map((), |row| row.get(0))?
                .collect()
        })
    }
}

fn step(db: &rusqlite::Connection, key: &Digest) -> rusqlite::Result<Option<(TreeId, String)>> {
    db.prepare_cached(
        "SELECT tree.id, tree.snapshot FROM step JOIN tree ON tree.id = step.tree WHERE step.key = ?1",
    )?
    .query_row([Column(*key)], |row| {
        Ok((TreeId(row.get::<_, Column>(0)?.0), row.get(1)?))
    })
    .optional()
}

fn add_tree(
    db: &rusqlite::Connection,
    id: &TreeId,
    snapshot: &str,
    boot: &str,
) -> rusqlite::Result<Kept> {
    let earlier: Option<String> = db
        .prepare_cached("SELECT snapshot FROM tree WHERE id = ?1")?
        .query_row([Column(id.0)], |row| row.get(0))
        .optional()?;
    match earlier {
        Some(earlier) if earlier != snapshot => Ok(Kept::Earlier(*id, earlier)),
        Some(_) => Ok(Kept::Offered),
        None => {
            db.prepare_cached(
                "INSERT INTO tree(id, snapshot, created, boot) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute((
                Column(id.0),
                snapshot,
                nanoseconds(SystemTime::now()),
                boot,
            ))?;
            Ok(Kept::Offered)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_keeps_its_first_tree_until_it_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let key = Digest::of("key");
        let tree = |name: &str| TreeId(Digest::of(name));
        assert_eq!(store.step(&key).unwrap(), None);
        store.add_step(&key, &tree("a"), "l.1", false).unwrap();
        let second = store.add_step(&key, &tree("c"), "l.3", false).unwrap();
        assert_eq!(second, Kept::Earlier(tree("a"), "l.1".into()));
        store.add_step(&key, &tree("b"), "l.2", true).unwrap();
        assert_eq!(store.step(&key).unwrap(), Some((tree("b"), "l.2".into())));
        assert_eq!(store.snapshots().unwrap().len(), 2);
    }

    #[test]
    fn of_two_that_make_the_same_tree_the_first_is_kept() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let other = Store::open(root.path()).unwrap();
        let id = TreeId(Digest::of("tree"));
        assert_eq!(store.add_tree(&id, "l.1").unwrap(), Kept::Offered);
        assert_eq!(
            other.add_tree(&id, "l.2").unwrap(),
            Kept::Earlier(id, "l.1".into())
        );
        assert_eq!(other.tree(&id).unwrap(), Some("l.1".into()));
    }
}
