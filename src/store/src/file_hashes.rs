//! Content digests of local files, so that unchanged files are not read again.

use stromatekt_oci::digest::Digest;

use crate::database::{Column, Store};
use crate::error::Result;

/// A file as `stat` shows it; as long as nothing of this changes, neither does its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileState {
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Length in bytes.
    pub size: u64,
    /// Time of the last change of the content, nanoseconds since 1970.
    pub mtime: i64,
    /// Time of the last change of the inode, nanoseconds since 1970.
    pub ctime: i64,
}

impl Store {
    /// The digests of these files, where they are known.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn file_hashes(&self, files: &[FileState]) -> Result<Vec<Option<Digest>>> {
        self.query(|db| {
            let mut select = db.prepare_cached(
                "SELECT digest FROM file_hash WHERE dev = ?1 AND ino = ?2 AND size = ?3 AND mtime = ?4 AND ctime = ?5",
            )?;
            files
                .iter()
                .map(|file| {
                    let mut rows = select.query((
                        file.dev.cast_signed(),
                        file.ino.cast_signed(),
                        file.size.cast_signed(),
                        file.mtime,
                        file.ctime,
                    ))?;
                    match rows.next()? {
                        Some(row) => Ok(Some(row.get::<_, Column>(0)?.0)),
                        None => Ok(None),
                    }
                })
                .collect()
        })
    }

    /// Remembers the digests of files.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn add_file_hashes(&self, files: &[(FileState, Digest)]) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        self.transaction(|db| {
            let mut insert = db.prepare_cached(
                "INSERT OR REPLACE INTO file_hash(dev, ino, size, mtime, ctime, digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for (file, digest) in files {
                insert.execute((
                    file.dev.cast_signed(),
                    file.ino.cast_signed(),
                    file.size.cast_signed(),
                    file.mtime,
                    file.ctime,
                    Column(*digest),
                ))?;
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changed_in_any_way_is_not_known() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        let file = FileState {
            dev: u64::MAX,
            ino: 2,
            size: 3,
            mtime: 4,
            ctime: 5,
        };
        let digest = Digest::of("content");
        store.add_file_hashes(&[(file, digest)]).unwrap();
        let changed = [
            FileState { size: 9, ..file },
            FileState { mtime: 9, ..file },
            FileState { ctime: 9, ..file },
            FileState { ino: 9, ..file },
            file,
        ];
        assert_eq!(
            store.file_hashes(&changed).unwrap(),
            vec![None, None, None, None, Some(digest)]
        );
    }
}
