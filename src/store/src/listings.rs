//! Listings: what has names like an image and is more than one: the images of several platforms, and what their manifests are annotated with.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use stromatekt_oci::digest::Digest;
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;

use crate::database::{Column, Store, nanoseconds};
use crate::error::Result;

/// What an index or an annotated manifest is made of. Its id is the digest of its JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// Whether it is written as an index; else it is one image, with annotations.
    pub is_index: bool,
    /// What the index is annotated with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What the descriptor of the index is annotated with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub descriptor_annotations: BTreeMap<String, String>,
    /// The images, in the order in which the index has them.
    pub images: Vec<ListedImage>,
}

/// An image of a listing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedImage {
    /// Its id.
    pub id: Digest,
    /// What it runs on.
    pub platform: Platform,
    /// What its manifest is annotated with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What the descriptor of its manifest is annotated with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub descriptor_annotations: BTreeMap<String, String>,
}

impl Listing {
    /// The listing as it is stored.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Maps with string keys all the way down, which JSON can always hold.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// What it is known by.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::of(self.to_json())
    }

    /// Whether it says more than an image by itself.
    #[must_use]
    pub fn is_needed(&self) -> bool {
        let annotated = |image: &ListedImage| {
            !image.annotations.is_empty() || !image.descriptor_annotations.is_empty()
        };
        self.is_index || self.images.iter().any(annotated)
    }

    /// The image that suits a platform best.
    #[must_use]
    pub fn select(&self, platform: &Platform) -> Option<&ListedImage> {
        platform.best(self.images.iter().map(|image| (&image.platform, image)))
    }
}

impl Store {
    /// Adds a listing, whose images are there already, and gives it these names, which others lose.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn add_listing(&self, listing: &Listing, names: &[ImageReference]) -> Result<Digest> {
        let json = listing.to_json();
        let id = Digest::of(&json);
        self.transaction(|db| {
            let added = db
                .prepare_cached(
                    "INSERT OR IGNORE INTO listing(id, document, created) VALUES (?1, ?2, ?3)",
                )?
                .execute((Column(id), &json, nanoseconds(SystemTime::now())))?;
            if added > 0 {
                let mut insert = db.prepare_cached(
                    "INSERT INTO listing_image(listing, position, image) VALUES (?1, ?2, ?3)",
                )?;
                for (position, image) in listing.images.iter().enumerate() {
                    insert.execute((Column(id), position.cast_signed(), Column(image.id)))?;
                }
            }
            for name in names {
                db.prepare_cached(
                    "INSERT OR REPLACE INTO name(name, image, manifest) VALUES (?1, ?2, NULL)",
                )?
                .execute((name.to_string(), Column(id)))?;
            }
            Ok(id)
        })
    }

    /// The listing with this id.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn listing(&self, id: &Digest) -> Result<Option<Listing>> {
        let document: Option<Vec<u8>> = self.first(
            "SELECT document FROM listing WHERE id = ?1",
            [Column(*id)],
            |row| row.get(0),
        )?;
        // Written by this program, whole or not at all.
        Ok(document.and_then(|json| serde_json::from_slice(&json).ok()))
    }

    /// Removes a listing with its names, and those of its images that have no name and are in no other.
    ///
    /// # Errors
    /// When the database refuses, or a file cannot be removed.
    pub fn remove_listing(&self, id: &Digest) -> Result<()> {
        let images: Vec<Digest> = self.transaction(|db| {
            let images = db
                .prepare("SELECT DISTINCT image FROM listing_image WHERE listing = ?1")?
                .query_map([Column(*id)], |row| {
                    row.get::<_, Column>(0).map(|column| column.0)
                })?
                .collect::<rusqlite::Result<_>>()?;
            for statement in [
                "DELETE FROM name WHERE image = ?1",
                "DELETE FROM listing WHERE id = ?1",
                "DELETE FROM listing_image WHERE listing = ?1",
            ] {
                db.execute(statement, [Column(*id)])?;
            }
            Ok(images)
        })?;
        for image in images {
            let is_used = self.first(
                "SELECT 1 WHERE EXISTS (SELECT 1 FROM name WHERE image = ?1)
                     OR EXISTS (SELECT 1 FROM listing_image WHERE image = ?1)",
                [Column(image)],
                |_| Ok(()),
            )?;
            if is_used.is_none() {
                self.remove_image(&image)?;
            }
        }
        Ok(())
    }

    /// How many listings an image is in.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn listings_of(&self, image: &Digest) -> Result<Vec<Digest>> {
        self.query(|db| {
            db.prepare_cached("SELECT DISTINCT listing FROM listing_image WHERE image = ?1")?
                .query_map([Column(*image)], |row| {
                    row.get::<_, Column>(0).map(|column| column.0)
                })?
                .collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::ImageRecord;

    fn image(config: &str) -> ImageRecord {
        ImageRecord {
            config: config.into(),
            layers: Vec::new(),
        }
    }

    fn listing(images: &[(&ImageRecord, &str)]) -> Listing {
        Listing {
            is_index: true,
            annotations: [("a".to_owned(), "b".to_owned())].into(),
            descriptor_annotations: BTreeMap::new(),
            images: images
                .iter()
                .map(|(image, platform)| ListedImage {
                    id: image.id(),
                    platform: platform.parse().unwrap(),
                    annotations: BTreeMap::new(),
                    descriptor_annotations: BTreeMap::new(),
                })
                .collect(),
        }
    }

    #[test]
    fn a_listing_has_names_as_an_image_and_its_images_go_with_it() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let (amd, arm) = (image("{}"), image("{ }"));
        let name: ImageReference = "many".parse().unwrap();
        let kept: ImageReference = "kept".parse().unwrap();
        store
            .add_image(&amd, std::slice::from_ref(&kept), None)
            .unwrap();
        store.add_image(&arm, &[], None).unwrap();
        let listing = listing(&[(&amd, "linux/amd64"), (&arm, "linux/arm64")]);
        let id = store
            .add_listing(&listing, std::slice::from_ref(&name))
            .unwrap();
        assert_eq!(store.image_named(&name).unwrap(), Some(id));
        assert_eq!(store.listing(&id).unwrap(), Some(listing.clone()));
        let chosen = listing.select(&"linux/arm64".parse().unwrap()).unwrap();
        assert_eq!(chosen.id, arm.id());
        let listed: Vec<_> = store.images().unwrap();
        let unlisted: Vec<_> = listed.iter().map(|image| image.id).collect();
        assert!(unlisted.contains(&id) && unlisted.contains(&amd.id()));
        assert!(
            !unlisted.contains(&arm.id()),
            "an image without a name is shown as part of its listing"
        );
        store.remove_listing(&id).unwrap();
        assert_eq!(store.image(&arm.id()).unwrap(), None);
        assert!(store.image(&amd.id()).unwrap().is_some(), "it has a name");
        assert_eq!(store.image_named(&name).unwrap(), None);
    }
}
