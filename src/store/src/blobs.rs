//! Blobs: complete, verified files named by their digest.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use stromatekt_oci::compress::Compression;
use stromatekt_oci::digest::Digest;

use crate::database::{Column, Store, nanoseconds};
use crate::error::{Error, Result};

/// What a blob is, where it is a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerBlob {
    /// The layer.
    pub diff_id: Digest,
    /// How it is compressed.
    pub compression: Compression,
    /// Whether this program compressed it at the default level, so that it may stand for the layer in any output. Blobs that
    /// came with an image belong to that image.
    pub packed_here: bool,
}

impl Store {
    /// Where the blob with this digest is or will be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root().join("blobs/sha256").join(digest.hex())
    }

    /// The length of a blob, where the store has it.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn blob(&self, digest: &Digest) -> Result<Option<u64>> {
        self.first(
            "SELECT size FROM blob WHERE digest = ?1",
            [Column(*digest)],
            |row| row.get::<_, i64>(0).map(i64::cast_unsigned),
        )
    }

    /// A blob that this program made of the layer, with its length.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn packed_layer(
        &self,
        diff_id: &Digest,
        compression: Compression,
    ) -> Result<Option<(Digest, u64)>> {
        self.first(
            "SELECT digest, size FROM blob WHERE diff_id = ?1 AND compression = ?2",
            (Column(*diff_id), column(compression, true)),
            |row| {
                Ok((
                    row.get::<_, Column>(0)?.0,
                    row.get::<_, i64>(1)?.cast_unsigned(),
                ))
            },
        )
    }

    /// Takes the complete and verified `file`, which must be on the store's file system ([`Lease::scratch_file`](crate::Lease::scratch_file)), as a blob.
    ///
    /// # Errors
    /// When it cannot be moved, or the database refuses.
    pub fn add_blob(
        &self,
        file: &Path,
        digest: &Digest,
        size: u64,
        layer: Option<LayerBlob>,
    ) -> Result<()> {
        let path = self.blob_path(digest);
        // The file gets its name under the lock under which files are removed: a row without a file cannot come of it.
        let moved = self.transaction(|db| {
            if let Err(error) = fs::rename(file, &path) {
                return Ok(Err(error));
            }
            // A blob that came with an image may be the one that this program would make: that is worth more to know.
            db.prepare_cached(
                "INSERT INTO blob(digest, size, diff_id, compression, created, boot) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT(digest) DO UPDATE SET diff_id = coalesce(excluded.diff_id, diff_id),
                     compression = coalesce(excluded.compression, compression), created = excluded.created, boot = excluded.boot",
            )?
            .execute((
                Column(*digest),
                size.cast_signed(),
                layer.map(|layer| Column(layer.diff_id)),
                layer.map(|layer| column(layer.compression, layer.packed_here)),
                nanoseconds(SystemTime::now()),
                &self.boot,
            ))?;
            Ok(Ok(()))
        })?;
        moved.map_err(Error::file("move a blob to", &path))
    }
}

fn column(compression: Compression, packed_here: bool) -> String {
    if packed_here {
        compression.to_string()
    } else {
        format!("{compression}, foreign")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_layers_packed_here_stand_for_a_layer() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let diff_id = Digest::of("layer");
        for packed_here in [false, true] {
            let content = format!("{packed_here}");
            let file = store.lease().scratch_file();
            fs::write(&file, &content).unwrap();
            let layer = LayerBlob {
                diff_id,
                compression: Compression::Gzip,
                packed_here,
            };
            let digest = Digest::of(&content);
            store
                .add_blob(&file, &digest, content.len() as u64, Some(layer))
                .unwrap();
            let expected = packed_here.then_some((digest, content.len() as u64));
            let found = store.packed_layer(&diff_id, Compression::Gzip).unwrap();
            assert_eq!(found, expected);
            assert_eq!(
                fs::read_to_string(store.blob_path(&digest)).unwrap(),
                content
            );
        }
    }
}
