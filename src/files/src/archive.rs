//! Archives that ADD unpacks.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use stromatekt_kernel::Root;
use stromatekt_oci::decompress;
use stromatekt_oci::unpack::{UnpackOptions, Whiteouts};

use crate::error::{Error, Result};
use crate::owner::Ids;
use crate::place::{Destination, NewDirectory};

/// Whether a file is a tar archive, maybe compressed, as BuildKit sees it: there is a first entry that can be read.
pub(crate) fn is_archive(mut file: &File) -> bool {
    let Ok((_, reader)) = decompress(file) else {
        return false;
    };
    let mut archive = tar::Archive::new(reader);
    let has_entry = archive
        .entries()
        .is_ok_and(|mut entries| matches!(entries.next(), Some(Ok(_))));
    drop(archive);
    file.seek(SeekFrom::Start(0)).is_ok() && has_entry
}

/// Unpacks an archive into the destination, which is a directory then, and tells which paths that made or altered. `--chmod` means
/// nothing to it; an owner becomes that of all entries.
pub(crate) fn unpack(
    file: &File,
    path: &Path,
    destination: &Destination<'_>,
    owner: Option<Ids>,
) -> Result<BTreeSet<PathBuf>> {
    let new = NewDirectory { mode: 0o755, owner };
    let target = destination.directory(new)?;
    unpack_into(file, path, destination.into, &target, owner)
}

fn unpack_into(
    file: &File,
    path: &Path,
    into: &Root,
    target: &Path,
    owner: Option<Ids>,
) -> Result<BTreeSet<PathBuf>> {
    let options = UnpackOptions {
        whiteouts: Whiteouts::Literal,
        into: target.to_owned(),
        owner: owner.map(|ids| (ids.uid, ids.gid)),
        list_changes: true,
    };
    let (_, reader) = decompress(file).map_err(Error::read(path))?;
    match stromatekt_oci::unpack::unpack(reader, into, &options) {
        Ok(unpacked) => {
            let mut touched = unpacked.changes.changed;
            touched.extend(unpacked.changes.removed);
            touched.insert(target.to_owned());
            Ok(touched)
        }
        Err(error) => Err(Error::Unpack {
            path: path.to_owned(),
            source: Box::new(error),
        }),
    }
}
