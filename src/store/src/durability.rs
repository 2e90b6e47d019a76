//! What a crash of the machine may take: rows whose files were never synced.
//!
//! Syncing each file would cost more than the build. So a row is written with the id of the current boot, which means "complete for
//! everybody in this boot, maybe lost in the next one". [`Store::mark_synced`] empties it after a sync of both file systems.

use std::time::SystemTime;

use crate::database::{Store, nanoseconds};
use crate::error::Result;

impl Store {
    /// Whether rows of before `time` wait for a sync.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn has_unsynced(&self, time: SystemTime) -> Result<bool> {
        self.first(
            "SELECT EXISTS(SELECT 1 FROM tree WHERE boot <> '' AND created < ?1)
                 OR EXISTS(SELECT 1 FROM blob WHERE boot <> '' AND created < ?1)",
            [nanoseconds(time)],
            |row| row.get(0),
        )
        .map(|found| found.unwrap_or(false))
    }

    /// Says that the file systems were synced, and that this sync started at `started`.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn mark_synced(&self, started: SystemTime) -> Result<()> {
        let started = nanoseconds(started);
        self.transaction(|db| {
            for table in ["tree", "blob"] {
                db.execute(
                    &format!("UPDATE {table} SET boot = '' WHERE boot <> '' AND created < ?1"),
                    [started],
                )?;
            }
            Ok(())
        })
    }

    /// Whether rows were dropped when this store was opened: their snapshots may still be there.
    pub fn lost_rows(&self) -> bool {
        self.lost_rows
    }

    /// Says whether there were any.
    pub(crate) fn drop_rows_of_a_crash(&self) -> Result<bool> {
        let lost = self.first(
            "SELECT EXISTS(SELECT 1 FROM tree WHERE boot NOT IN ('', ?1)) OR EXISTS(SELECT 1 FROM blob WHERE boot NOT IN ('', ?1))",
            [&self.boot],
            |row| row.get::<_, bool>(0),
        )?;
        if lost != Some(true) {
            return Ok(false);
        }
        tracing::warn!(
            "the machine stopped before the last results were on the disk: they are forgotten"
        );
        self.transaction(|db| {
            db.execute("DELETE FROM tree WHERE boot NOT IN ('', ?1)", [&self.boot])?;
            db.execute("DELETE FROM blob WHERE boot NOT IN ('', ?1)", [&self.boot])?;
            db.execute_batch(
                "DELETE FROM step WHERE tree NOT IN (SELECT id FROM tree);
                 DELETE FROM diff WHERE upper NOT IN (SELECT id FROM tree);
                 -- An image is whole as long as each of its layers is a blob or can be packed again.
                 DELETE FROM image WHERE id IN (
                     SELECT image FROM image_layer AS layer WHERE
                         NOT EXISTS(SELECT 1 FROM blob WHERE blob.digest = layer.digest)
                         AND NOT EXISTS(SELECT 1 FROM diff WHERE diff.diff_id = layer.diff_id));
                 DELETE FROM image_layer WHERE image NOT IN (SELECT id FROM image);
                 DELETE FROM name WHERE image NOT IN (SELECT id FROM image);",
            )
        })?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stromatekt_oci::digest::Digest;

    use super::*;
    use crate::trees::TreeId;

    #[test]
    fn rows_of_another_boot_count_only_when_they_were_synced() {
        let root = tempfile::tempdir().unwrap();
        let [synced, lost] = ["synced", "lost"].map(|name| TreeId(Digest::of(name)));
        let mut store = Store::open(root.path()).unwrap();
        store.boot = "an earlier boot".to_owned();
        store.add_step(&synced.0, &synced, "l.1", false).unwrap();
        let later = SystemTime::now() + Duration::from_secs(1);
        assert!(store.has_unsynced(later).unwrap());
        store.mark_synced(later).unwrap();
        assert!(!store.has_unsynced(later).unwrap());
        store.add_step(&lost.0, &lost, "l.2", false).unwrap();
        drop(store);
        let store = Store::open(root.path()).unwrap();
        assert!(store.lost_rows());
        assert_eq!(store.tree(&lost).unwrap(), None);
        assert_eq!(store.step(&lost.0).unwrap(), None);
        assert_eq!(store.tree(&synced).unwrap(), Some("l.1".to_owned()));
    }
}
