//! Copies with `--link` that may meet what they made themselves: into an empty tree, which then comes over the tree as a layer would.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use stromatekt_kernel::{Root, entry};

use crate::error::{Error, Result};
use crate::select::{self, Owners, Source, TakenContent};
use crate::tree::{self, Copier, Top};
use crate::write::Style;

/// Has `make` fill an empty tree, and puts what is in it then over the tree. Tells what `make` tells, and the paths that are made or altered.
pub fn over<T, E: From<Error>>(
    into: &Root,
    make: impl FnOnce(&Root) -> Result<T, E>,
) -> Result<(T, BTreeSet<PathBuf>), E> {
    // On the file system of the tree, so that files can share their blocks.
    let name = make_empty_directory(into)?;
    let made = into
        .subtree(&name)
        .map_err(|error| Error::write("open the directory", Path::new(&name))(error).into())
        .and_then(|staged| {
            let told = make(&staged)?;
            Ok((told, lay_over(&staged, into)?))
        });
    let removed = entry::remove_tree_at(into, &name);
    removed.map_err(Error::write("remove", Path::new(&name)))?;
    made
}

/// Puts all that is in a tree over another one, as a layer would: directories are merged, all else is replaced; the root keeps its
/// attributes. Tells the paths that are made or altered.
pub fn lay_over(staged: &Root, into: &Root) -> Result<BTreeSet<PathBuf>> {
    let source = Source {
        root: staged,
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
    let target = Path::new("");
    copier.directory(&taken.path, folders, target, Top::Kept)?;
    Ok(tree::places(folders, target).collect())
}

/// Makes a directory with a name that the root of the tree does not have.
fn make_empty_directory(tree: &Root) -> Result<OsString> {
    let mut number = 0_u32;
    loop {
        let name = OsString::from(format!(".unpacking-{number}"));
        match entry::mkdirat(tree, &name, 0o755) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < u32::MAX => {
                number += 1
            }
            Err(error) => return Err(Error::write("make the directory", Path::new(&name))(error)),
        }
    }
}
