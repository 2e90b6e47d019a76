//! A look at the images of a store by who builds nothing: nothing is made, locked or changed, and whoever cannot read it sees no images.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use stromatekt_oci::reference::ImageReference;

/// The configs of what has this name in the store in `root`: of an image, or of each image of a listing. None where there is no such
/// store, or where it cannot be read by whoever asks.
#[must_use]
pub fn image_configs(root: &Path, name: &ImageReference) -> Vec<Vec<u8>> {
    read(root, name).unwrap_or_default()
}

fn read(root: &Path, name: &ImageReference) -> rusqlite::Result<Vec<Vec<u8>>> {
    let path = root.join("store.db");
    // SQLite makes files beside a database with a log even to read it; not where it is told that nobody writes, as is so without a log.
    let is_open = root.join("store.db-wal").exists();
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str(if is_open {
        "?mode=ro"
    } else {
        "?mode=ro&immutable=1"
    });
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri, flags)?;
    let select = |query: &str| -> rusqlite::Result<Vec<Vec<u8>>> {
        connection
            .prepare(query)?
            .query_map([name.to_string()], |row| row.get(0))?
            .collect()
    };
    let image = select(
        "SELECT image.config FROM name JOIN image ON image.id = name.image WHERE name.name = ?1",
    )?;
    if !image.is_empty() {
        return Ok(image);
    }
    select(
        "SELECT image.config FROM name JOIN listing_image ON listing_image.listing = name.image \
         JOIN image ON image.id = listing_image.image WHERE name.name = ?1 ORDER BY listing_image.position",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImageRecord, Store};

    #[test]
    fn a_look_finds_configs_and_leaves_no_trace() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("a store?");
        let name: ImageReference = "base:1".parse().unwrap();
        assert_eq!(image_configs(&root, &name), Vec::<Vec<u8>>::new());
        assert!(!root.exists());
        let image = ImageRecord {
            config: b"{}".to_vec(),
            layers: Vec::new(),
        };
        let store = Store::open(&root).unwrap();
        store
            .add_image(&image, std::slice::from_ref(&name), None)
            .unwrap();
        // Who builds has it open.
        assert_eq!(image_configs(&root, &name), [b"{}".to_vec()]);
        drop(store);
        let files = || {
            let mut names: Vec<_> = std::fs::read_dir(&root)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            names.sort();
            names
        };
        let before = files();
        assert_eq!(image_configs(&root, &name), [b"{}".to_vec()]);
        let other: ImageReference = "base:2".parse().unwrap();
        assert_eq!(image_configs(&root, &other), Vec::<Vec<u8>>::new());
        assert_eq!(files(), before);
    }
}
