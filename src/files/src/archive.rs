//! Archives that ADD unpacks.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use stromatekt_kernel::{Root, entry};
use stromatekt_oci::decompress;
use stromatekt_oci::unpack::{UnpackOptions, Whiteouts};

use crate::error::{Error, Result};
use crate::owner::Ids;
use crate::place::{Destination, NewDirectory};
use crate::select::{self, Owners, Source, TakenContent};
use crate::tree::{self, Copier, Top};
use crate::write::Style;

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
    destination: &mut Destination<'_>,
    owner: Option<Ids>,
) -> Result<BTreeSet<PathBuf>> {
    let new = NewDirectory { mode: 0o755, owner };
    let target = destination.directory(new)?;
    let into = destination.into;
    if !destination.is_over_tree() {
        return unpack_into(file, path, into, &target, owner);
    }
    // An archive follows what it finds; here it must not find what the tree has. So it goes to an empty directory first.
    let name = make_empty_directory(into)?;
    let staged = stage(file, path, into, &name, &target, owner);
    let removed =
        entry::remove_tree_at(into, &name).map_err(Error::write("remove", Path::new(&name)));
    removed.and(staged)
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

/// Unpacks into a directory in the root of the tree, and copies that over the tree.
fn stage(
    file: &File,
    path: &Path,
    into: &Root,
    name: &OsString,
    target: &Path,
    owner: Option<Ids>,
) -> Result<BTreeSet<PathBuf>> {
    unpack_into(file, path, into, Path::new(name), owner)?;
    let failed = Error::write("open the directory", Path::new(name));
    let staged = into.subtree(name).map_err(failed)?;
    let source = Source {
        root: &staged,
        owners: Owners::Kept,
        ignore: None,
    };
    let taken = select::all(&source, ".")?;
    let TakenContent::Directory(folders) = &taken.content else {
        return Ok(BTreeSet::new());
    };
    let copier = Copier {
        source: &source,
        into,
        style: Style {
            owner: None,
            mode: None,
            owners: Owners::Kept,
            replaces: true,
            is_verbatim: true,
            may_share: true.into(),
        },
        unstable: Default::default(),
    };
    copier.directory(&taken.path, folders, target, Top::Kept)?;
    Ok(tree::places(folders, target).collect())
}

/// Makes a directory with a name that the root of the tree does not have.
fn make_empty_directory(tree: &Root) -> Result<OsString> {
    let mut number = 0_u32;
    loop {
        let name = OsString::from(format!(".unpacking-{number}"));
        match entry::mkdirat(tree, &name, 0o700) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < u32::MAX => {
                number += 1
            }
            Err(error) => return Err(Error::write("make the directory", Path::new(&name))(error)),
        }
    }
}
