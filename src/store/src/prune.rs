//! Forgetting what no image needs: the cache.
//!
//! An image needs the blobs that its layers came with; of a layer that a build made, the two trees that it is packed of, and the blobs that
//! were packed of it; and the trees of its chain of layers, so that a build on top of it has nothing to unpack.

use std::fs::{self, TryLockError};
use std::io;

use stromatekt_oci::digest::Digest;

use crate::database::{Column, Store};
use crate::error::{Error, Result};
use crate::trees::TreeId;

/// Directories whose whole content is a cache.
const CACHES: [&str; 3] = ["cache-mounts", "downloads", "git"];

impl Store {
    /// Forgets all steps, and all trees and blobs that no image needs, with what was fetched and the directories of cache mounts. `chains`
    /// are the trees of the images' chains of layers. Snapshots that no row names any more are to be removed by the caller.
    ///
    /// From here on, as long as this store is open, other processes wait to open it.
    ///
    /// # Errors
    /// When another process has the store open, the database refuses, or a file cannot be removed.
    pub fn prune(&self, chains: &[TreeId]) -> Result<()> {
        self.gate.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::InUse {
                path: self.root().to_owned(),
            },
            TryLockError::Error(error) => Error::file("lock", self.root())(error),
        })?;
        let blobs: Vec<Digest> = self.transaction(|db| {
            db.execute_batch("CREATE TEMP TABLE kept(id BLOB PRIMARY KEY)")?;
            {
                let mut keep = db.prepare("INSERT OR IGNORE INTO kept(id) VALUES (?1)")?;
                for chain in chains {
                    keep.execute([Column(chain.0)])?;
                }
            }
            db.execute_batch(
                "INSERT OR IGNORE INTO kept(id) SELECT upper FROM diff WHERE diff_id IN (SELECT diff_id FROM image_layer WHERE digest IS NULL);
                 INSERT OR IGNORE INTO kept(id) SELECT lower FROM diff WHERE diff_id IN (SELECT diff_id FROM image_layer WHERE digest IS NULL);
                 DELETE FROM step;
                 DELETE FROM recipe;
                 DELETE FROM tree WHERE id NOT IN (SELECT id FROM kept);
                 DELETE FROM diff WHERE upper NOT IN (SELECT id FROM kept);
                 DELETE FROM file_hash;
                 DROP TABLE kept",
            )?;
            const USELESS: &str = "digest NOT IN (SELECT digest FROM image_layer WHERE digest IS NOT NULL)
                 AND (diff_id IS NULL OR diff_id NOT IN (SELECT diff_id FROM image_layer WHERE digest IS NULL))";
            let blobs = db
                .prepare(&format!("SELECT digest FROM blob WHERE {USELESS}"))?
                .query_map((), |row| row.get::<_, Column>(0).map(|column| column.0))?
                .collect::<rusqlite::Result<_>>()?;
            db.execute(&format!("DELETE FROM blob WHERE {USELESS}"), ())?;
            Ok(blobs)
        })?;
        for blob in blobs {
            let path = self.blob_path(&blob);
            gone(fs::remove_file(&path)).map_err(Error::file("remove the blob", path))?;
        }
        for cache in CACHES {
            let path = self.root().join(cache);
            gone(fs::remove_dir_all(&path)).map_err(Error::file("remove", path))?;
        }
        Ok(())
    }
}

/// What is not there need not be removed.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::images::{ImageRecord, LayerRecord};
    use crate::layers::{DiffRecord, Layer};

    #[test]
    fn what_an_image_is_made_of_stays_and_the_cache_goes() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let tree = |name: &str| TreeId(Digest::of(name));
        for name in ["chain", "below", "above", "other"] {
            store
                .add_step(&Digest::of(name), &tree(name), &format!("l.{name}"), false)
                .unwrap();
        }
        let diff_id = Digest::of("layer");
        let diff = DiffRecord {
            lower: Some(tree("below")),
            upper: tree("above"),
            epoch: None,
            layer: Layer { diff_id, size: 1 },
            created: SystemTime::now(),
        };
        store.add_diff(diff).unwrap();
        for content in ["useless", "base"] {
            let file = store.lease().scratch_file();
            fs::write(&file, content).unwrap();
            store
                .add_blob(&file, &Digest::of(content), content.len() as u64, None)
                .unwrap();
        }
        let image = ImageRecord {
            config: b"{}".to_vec(),
            layers: vec![
                LayerRecord {
                    diff_id: Digest::of("base layer"),
                    blob: Some((Digest::of("base"), "x/y".into())),
                },
                LayerRecord {
                    diff_id,
                    blob: None,
                },
            ],
        };
        store.add_image(&image, &[], None).unwrap();
        store.prune(&[tree("chain")]).unwrap();
        let mut left = store.snapshots().unwrap();
        left.sort();
        assert_eq!(left, ["l.above", "l.below", "l.chain"]);
        assert_eq!(store.step(&Digest::of("above")).unwrap(), None);
        assert!(store.diff_of_layer(&diff_id).unwrap().is_some());
        assert!(store.blob_path(&Digest::of("base")).exists());
        assert!(!store.blob_path(&Digest::of("useless")).exists());
    }

    #[test]
    fn a_store_that_another_has_open_is_not_pruned() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let other = Store::open(root.path()).unwrap();
        let error = store.prune(&[]).unwrap_err();
        assert!(matches!(error, Error::InUse { .. }), "{error}");
        drop((store, other));
        Store::open(root.path()).unwrap().prune(&[]).unwrap();
    }
}
