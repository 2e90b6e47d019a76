//! Images and their names.

use std::fs;
use std::io;
use std::time::SystemTime;

use stromatekt_oci::descriptor::MediaType;
use stromatekt_oci::digest::Digest;
use stromatekt_oci::reference::ImageReference;

use crate::database::{Column, Store, nanoseconds, time};
use crate::error::{Error, Result};

/// An image of the store.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageRecord {
    /// The image config, byte for byte. Its digest is the image id.
    pub config: Vec<u8>,
    /// The layers, lowest first.
    pub layers: Vec<LayerRecord>,
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerRecord {
    /// The layer.
    pub diff_id: Digest,
    /// The blob that the layer came with and keeps; none where a build made the layer.
    pub blob: Option<(Digest, MediaType)>,
}

/// An image or a listing with its names, as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedImage {
    /// Its id.
    pub id: Digest,
    /// Its names.
    pub names: Vec<String>,
    /// When the store got it.
    pub stored: SystemTime,
}

impl ImageRecord {
    /// The image id.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::of(&self.config)
    }
}

impl Store {
    /// Adds an image, and gives it these names, which other images lose. `manifest` is the digest it is known by elsewhere.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn add_image(
        &self,
        image: &ImageRecord,
        names: &[ImageReference],
        manifest: Option<Digest>,
    ) -> Result<Digest> {
        let id = image.id();
        self.transaction(|db| {
            let added = db
                .prepare_cached(
                    "INSERT OR IGNORE INTO image(id, config, created) VALUES (?1, ?2, ?3)",
                )?
                .execute((
                    Column(id),
                    &image.config,
                    nanoseconds(SystemTime::now()),
                ))?;
            if added > 0 {
                let mut insert = db.prepare_cached(
                    "INSERT INTO image_layer(image, position, diff_id, digest, media_type) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?;
                for (position, layer) in image.layers.iter().enumerate() {
                    insert.execute((
                        Column(id),
                        position.cast_signed(),
                        Column(layer.diff_id),
                        layer.blob.as_ref().map(|(digest, _)| Column(*digest)),
                        layer.blob.as_ref().map(|(_, kind)| kind.to_string()),
                    ))?;
                }
            }
            for name in names {
                db.prepare_cached(
                    "INSERT OR REPLACE INTO name(name, image, manifest) VALUES (?1, ?2, ?3)",
                )?
                .execute((name.to_string(), Column(id), manifest.map(Column)))?;
            }
            Ok(id)
        })
    }

    /// The image with this id.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn image(&self, id: &Digest) -> Result<Option<ImageRecord>> {
        let config = self.first(
            "SELECT config FROM image WHERE id = ?1",
            [Column(*id)],
            |row| row.get(0),
        )?;
        let Some(config) = config else {
            return Ok(None);
        };
        let layers = self.query(|db| {
            db.prepare_cached(
                "SELECT diff_id, digest, media_type FROM image_layer WHERE image = ?1 ORDER BY position",
            )?
            .query_map([Column(*id)], |row| {
                let digest: Option<Column> = row.get(1)?;
                let media_type: Option<String> = row.get(2)?;
                Ok(LayerRecord {
                    diff_id: row.get::<_, Column>(0)?.0,
                    blob: digest
                        .zip(media_type)
                        .map(|(Column(digest), kind)| (digest, MediaType::from(kind.as_str()))),
                })
            })?
            .collect()
        })?;
        Ok(Some(ImageRecord { config, layers }))
    }

    /// The id of the image or listing with this name. A name with a digest finds the image that this digest is the manifest of.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn image_named(&self, name: &ImageReference) -> Result<Option<Digest>> {
        let row = |row: &rusqlite::Row<'_>| row.get::<_, Column>(0).map(|column| column.0);
        match name.digest() {
            Some(digest) => self.first(
                "SELECT image FROM name WHERE manifest = ?1 LIMIT 1",
                [Column(*digest)],
                row,
            ),
            None => self.first(
                "SELECT image FROM name WHERE name = ?1",
                [name.to_string()],
                row,
            ),
        }
    }

    /// The ids of images and listings that start with these hexadecimal digits.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn images_with_prefix(&self, hex: &str) -> Result<Vec<Digest>> {
        self.query(|db| {
            db.prepare_cached(
                "SELECT id FROM image WHERE lower(substr(hex(id), 1, length(?1))) = ?1
                 UNION SELECT id FROM listing WHERE lower(substr(hex(id), 1, length(?1))) = ?1",
            )?
            .query_map([hex], |row| row.get::<_, Column>(0).map(|column| column.0))?
            .collect()
        })
    }

    /// All images and listings, the newest first; without the images that have no name and are part of a listing.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn images(&self) -> Result<Vec<NamedImage>> {
        self.query(|db| {
            let mut names =
                db.prepare_cached("SELECT name FROM name WHERE image = ?1 ORDER BY name")?;
            db.prepare_cached(
                "SELECT id, created FROM image
                     WHERE id NOT IN (SELECT image FROM listing_image) OR id IN (SELECT image FROM name)
                 UNION ALL SELECT id, created FROM listing ORDER BY created DESC",
            )?
                .query_map((), |row| {
                    let id: Column = row.get(0)?;
                    let names = names
                        .query_map([&id], |row| row.get(0))?
                        .collect::<rusqlite::Result<_>>()?;
                    Ok(NamedImage {
                        id: id.0,
                        names,
                        stored: time(row.get(1)?),
                    })
                })?
                .collect()
        })
    }

    /// The ids of all images, those of listings among them.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn all_images(&self) -> Result<Vec<Digest>> {
        self.query(|db| {
            db.prepare("SELECT id FROM image")?
                .query_map((), |row| row.get::<_, Column>(0).map(|column| column.0))?
                .collect()
        })
    }

    /// The names of an image or a listing.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn names(&self, id: &Digest) -> Result<Vec<String>> {
        self.query(|db| {
            db.prepare_cached("SELECT name FROM name WHERE image = ?1 ORDER BY name")?
                .query_map([Column(*id)], |row| row.get(0))?
                .collect()
        })
    }

    /// The names of an image with the digests of the manifests that registries have under them, sorted.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn manifests(&self, id: &Digest) -> Result<Vec<(String, Digest)>> {
        self.query(|db| {
            db.prepare_cached(
                "SELECT name, manifest FROM name WHERE image = ?1 AND manifest IS NOT NULL ORDER BY name",
            )?
            .query_map([Column(*id)], |row| {
                Ok((row.get(0)?, row.get::<_, Column>(1)?.0))
            })?
            .collect()
        })
    }

    /// Keeps the digest of the manifest that a registry has under this name.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn remember_manifest(&self, name: &ImageReference, manifest: &Digest) -> Result<()> {
        self.query(|db| {
            db.prepare_cached("UPDATE name SET manifest = ?2 WHERE name = ?1")?
                .execute((name.to_string(), Column(*manifest)))
        })
        .map(drop)
    }

    /// Takes a name away; says whether there was one.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn remove_name(&self, name: &ImageReference) -> Result<bool> {
        self.query(|db| {
            db.prepare_cached("DELETE FROM name WHERE name = ?1")?
                .execute([name.to_string()])
        })
        .map(|count| count > 0)
    }

    /// Removes an image with all its names, and the blobs that came with it and that no other image refers to; returns their digests.
    ///
    /// # Errors
    /// When the database refuses, or a file cannot be removed.
    pub fn remove_image(&self, id: &Digest) -> Result<Vec<Digest>> {
        self.transaction(|db| {
            db.execute("DELETE FROM name WHERE image = ?1", [Column(*id)])?;
            db.execute("DELETE FROM image WHERE id = ?1", [Column(*id)])?;
            // A blob that was packed here stays: the cache of its step can use it again.
            let orphans = db
                .prepare(
                    "SELECT digest FROM image_layer WHERE image = ?1 AND digest IS NOT NULL
                     AND digest NOT IN (SELECT digest FROM image_layer WHERE image <> ?1 AND digest IS NOT NULL)",
                )?
                .query_map([Column(*id)], |row| row.get::<_, Column>(0).map(|column| column.0))?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            db.execute("DELETE FROM image_layer WHERE image = ?1", [Column(*id)])?;
            for orphan in &orphans {
                db.execute("DELETE FROM blob WHERE digest = ?1", [Column(*orphan)])?;
                let path = self.blob_path(orphan);
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Ok(Err(Error::file("remove the blob", path)(error)));
                    }
                    _ => {}
                }
            }
            Ok(Ok(orphans))
        })?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(config: &str) -> ImageRecord {
        ImageRecord {
            config: config.into(),
            layers: vec![
                LayerRecord {
                    diff_id: Digest::of("base"),
                    blob: Some((
                        Digest::of("blob"),
                        MediaType::from("application/vnd.oci.image.layer.v1.tar+gzip"),
                    )),
                },
                LayerRecord {
                    diff_id: Digest::of("own"),
                    blob: None,
                },
            ],
        }
    }

    #[test]
    fn an_image_is_found_by_name_id_prefix_and_manifest_digest() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let name: ImageReference = "demo:1".parse().unwrap();
        let manifest = Digest::of("manifest");
        let id = store
            .add_image(&image("{}"), std::slice::from_ref(&name), Some(manifest))
            .unwrap();
        assert_eq!(store.image(&id).unwrap(), Some(image("{}")));
        assert_eq!(store.image_named(&name).unwrap(), Some(id));
        let by_digest: ImageReference = format!("demo@{manifest}").parse().unwrap();
        assert_eq!(store.image_named(&by_digest).unwrap(), Some(id));
        assert_eq!(store.images_with_prefix(&id.hex()[..8]).unwrap(), vec![id]);
    }

    #[test]
    fn a_name_moves_to_the_image_that_got_it_last() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let name: ImageReference = "demo".parse().unwrap();
        let names = std::slice::from_ref(&name);
        store.add_image(&image("{}"), names, None).unwrap();
        let second = store.add_image(&image("{ }"), names, None).unwrap();
        assert_eq!(store.image_named(&name).unwrap(), Some(second));
        assert_eq!(store.images().unwrap().len(), 2);
    }

    #[test]
    fn a_blob_goes_with_the_last_image_that_refers_to_it() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let first = store.add_image(&image("{}"), &[], None).unwrap();
        let second = store.add_image(&image("{ }"), &[], None).unwrap();
        assert_eq!(store.remove_image(&first).unwrap(), vec![]);
        assert_eq!(
            store.remove_image(&second).unwrap(),
            vec![Digest::of("blob")]
        );
    }
}
