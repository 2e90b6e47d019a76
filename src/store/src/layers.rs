//! Layers that builds made: the difference of two trees, remembered by its diff_id.

use std::time::SystemTime;

use stromatekt_oci::digest::Digest;

use crate::database::{Column, Store, nanoseconds, time};
use crate::error::Result;
use crate::trees::TreeId;

/// A layer, not compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The digest of its tar stream (image-spec `config.md`, "Layer DiffID").
    pub diff_id: Digest,
    /// The length of its tar stream in bytes.
    pub size: u64,
}

/// What is known of the difference of two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffRecord {
    /// The tree before; the empty tree where absent.
    pub lower: Option<TreeId>,
    /// The tree after.
    pub upper: TreeId,
    /// `SOURCE_DATE_EPOCH`, to which the times in the layer are limited.
    pub epoch: Option<i64>,
    /// The layer. Trees that do not differ have one too, of no entries, as BuildKit's images have.
    pub layer: Layer,
    /// When the layer was made: the time of its history entry.
    pub created: SystemTime,
}

impl Store {
    /// The difference of two trees, where it was computed before.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn diff(
        &self,
        lower: Option<TreeId>,
        upper: TreeId,
        epoch: Option<i64>,
    ) -> Result<Option<DiffRecord>> {
        self.first(
            "SELECT lower, upper, epoch, diff_id, size, created FROM diff WHERE lower = ?1 AND upper = ?2 AND epoch = ?3",
            (
                lower_column(lower),
                Column(upper.0),
                epoch.unwrap_or(NO_EPOCH),
            ),
            record,
        )
    }

    /// How to make the layer with this diff_id again.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn diff_of_layer(&self, diff_id: &Digest) -> Result<Option<DiffRecord>> {
        self.first(
            "SELECT lower, upper, epoch, diff_id, size, created FROM diff WHERE diff_id = ?1 AND upper IN (SELECT id FROM tree) LIMIT 1",
            [Column(*diff_id)],
            record,
        )
    }

    /// Remembers the difference of two trees. When another process found it meanwhile, that is the answer: its layer has its time.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn add_diff(&self, diff: DiffRecord) -> Result<DiffRecord> {
        self.query(|db| {
            db.prepare_cached(
                "INSERT OR IGNORE INTO diff(lower, upper, epoch, diff_id, size, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((
                lower_column(diff.lower),
                Column(diff.upper.0),
                diff.epoch.unwrap_or(NO_EPOCH),
                Column(diff.layer.diff_id),
                diff.layer.size.cast_signed(),
                nanoseconds(diff.created),
            ))?;
            Ok(())
        })?;
        let kept = self.diff(diff.lower, diff.upper, diff.epoch)?;
        Ok(kept.unwrap_or(diff))
    }
}

/// What the column holds without `SOURCE_DATE_EPOCH`: a primary key must not be NULL.
const NO_EPOCH: i64 = i64::MIN;

fn lower_column(lower: Option<TreeId>) -> Vec<u8> {
    lower.map_or_else(Vec::new, |id| id.0.as_bytes().to_vec())
}

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<DiffRecord> {
    let lower: Vec<u8> = row.get(0)?;
    let epoch: i64 = row.get(2)?;
    let size: i64 = row.get(4)?;
    Ok(DiffRecord {
        lower: <[u8; 32]>::try_from(lower)
            .ok()
            .map(|bytes| TreeId(Digest::from_bytes(bytes))),
        upper: TreeId(row.get::<_, Column>(1)?.0),
        epoch: (epoch != NO_EPOCH).then_some(epoch),
        layer: Layer {
            diff_id: row.get::<_, Column>(3)?.0,
            size: size.cast_unsigned(),
        },
        created: time(row.get(5)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_found_by_its_trees_and_by_its_layer() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let tree = |name: &str| TreeId(Digest::of(name));
        let diff = DiffRecord {
            lower: None,
            upper: tree("b"),
            epoch: Some(0),
            layer: Layer {
                diff_id: Digest::of("layer"),
                size: 7,
            },
            created: time(1_234_567_890_123_456_789),
        };
        store.add_diff(diff.clone()).unwrap();
        store.add_tree(&tree("b"), "l.1").unwrap();
        let found = store.diff(None, tree("b"), Some(0)).unwrap();
        assert_eq!(found.as_ref(), Some(&diff));
        assert_eq!(
            store.diff(None, tree("b"), None).unwrap(),
            None,
            "other times make another layer"
        );
        assert_eq!(
            store.diff_of_layer(&Digest::of("layer")).unwrap(),
            Some(diff)
        );
    }
}
