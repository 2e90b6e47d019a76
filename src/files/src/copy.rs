//! Copies into a tree, as BuildKit's file operation does (`solver/llbsolver/file`, `tonistiigi/fsutil/copy`).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use stromatekt_graph::file::{Copy, Unpack};
use stromatekt_kernel::{FileKind, Root, Timestamp, entry};

use crate::archive;
use crate::contents::{BUFFER, Reader};
use crate::digest::FileKey;
use crate::error::{Error, Result};
use crate::mode::ModeChange;
use crate::over::over;
use crate::owner::Owner;
use crate::place::{Destination, NewDirectory};
use crate::select::{Owners, Selection, Source, Taken, TakenContent};
use crate::tree::{self, Copier, Top};
use crate::walk::Item;
use crate::write::{Place, Style};

/// Fetched files are for their owner alone.
const BLOB_MODE: u32 = 0o600;
const INLINE_MODE: u32 = 0o644;

/// What is copied.
#[derive(Clone, Copy)]
pub enum Content<'a> {
    /// What was selected from a tree.
    Tree(&'a Source<'a>, &'a Selection),
    /// A fetched file: mode 0600, owned by root.
    Blob {
        /// Where its bytes are.
        path: &'a Path,
        /// Its name where the destination is a directory.
        name: &'a str,
        /// When it was modified (`Last-Modified`); the epoch where it was not told.
        modified: Option<Timestamp>,
    },
    /// A here-document: mode 0644, owned by root.
    Inline {
        /// Its name where the destination is a directory.
        name: &'a str,
        /// Its bytes.
        content: &'a [u8],
    },
}

/// What a copy did.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Copied {
    /// The paths at which the tree may differ from before, without symbolic links: outermost ones at least. Directories above them may have
    /// been made or altered as well.
    pub touched: BTreeSet<PathBuf>,
    /// Sources whose content changed between their selection and their copy: the result is not the one that their digest stands for,
    /// and must not be remembered as such.
    pub unstable: Vec<PathBuf>,
}

/// Copies `content` into the tree, to the destination and with the owner, mode and flags of `copy`; unpacks archives where it says so.
pub fn copy(content: Content<'_>, copy: &Copy, into: &Root) -> Result<Copied> {
    if copy.link && needs_tree_of_its_own(&content, copy)? {
        let alone = on_its_own(copy)?;
        let (copied, touched) = over(into, |own| self::copy(content, &alone, own))?;
        return Ok(Copied { touched, ..copied });
    }
    let owner = match &copy.owner {
        None => None,
        Some(text) => {
            let owner = Owner::parse(text)?;
            Some(match copy.link {
                true => owner.without_tree()?,
                false => owner.resolve(into)?,
            })
        }
    };
    let mode = copy.mode.as_deref().map(ModeChange::parse).transpose()?;
    let new = NewDirectory {
        mode: mode
            .as_ref()
            .and_then(ModeChange::of_parents)
            .unwrap_or(0o755),
        owner,
    };
    let mut destination = Destination::new(into, &copy.destination, copy.link, new);
    let style = |owners| Style {
        owner,
        mode: mode.clone(),
        owners,
        replaces: copy.link,
        is_verbatim: false,
        may_share: true.into(),
    };
    match content {
        Content::Tree(source, selection) => {
            let copier = Copier {
                source,
                into,
                style: style(source.owners),
                unstable: Default::default(),
            };
            let mut touched = BTreeSet::new();
            for taken in &selection.taken {
                copy_taken(&copier, taken, copy, &mut destination, &mut touched)?;
            }
            Ok(Copied {
                touched,
                unstable: copier.unstable(),
            })
        }
        Content::Blob {
            path,
            name,
            modified,
        } => {
            let file = File::open(path).map_err(Error::read(path))?;
            let touched = if copy.unpack == Unpack::Always && archive::is_archive(&file) {
                archive::unpack(&file, path, &destination, owner)?
            } else {
                let mut stat = entry::stat_fd(&file).map_err(Error::read(path))?;
                stat.mode = BLOB_MODE;
                stat.mtime = modified.unwrap_or(Timestamp::from_seconds(0));
                let mut buffer = vec![0; BUFFER];
                at(&mut destination, name, |to| {
                    style(Owners::Root).copy_file((&file, &stat, path), to, &mut buffer)
                })?
            };
            Ok(Copied {
                touched,
                ..Copied::default()
            })
        }
        Content::Inline { name, content } => {
            let touched = at(&mut destination, name, |to| {
                style(Owners::Root).write_file(content, INLINE_MODE, to)
            })?;
            Ok(Copied {
                touched,
                ..Copied::default()
            })
        }
    }
}

/// Whether what a copy with `--link` makes may meet what it has made before: an archive follows what it finds, and several sources must not
/// replace each other's files by directories.
fn needs_tree_of_its_own(content: &Content<'_>, copy: &Copy) -> Result<bool> {
    match content {
        Content::Inline { .. } => Ok(false),
        Content::Blob { path, .. } => {
            let file = File::open(path).map_err(Error::read(path))?;
            Ok(copy.unpack == Unpack::Always && archive::is_archive(&file))
        }
        Content::Tree(_, selection) if selection.taken.len() > 1 => Ok(true),
        Content::Tree(source, selection) => match selection.taken.first() {
            Some(taken) if copy.unpack != Unpack::Never => is_archive(source, taken),
            _ => Ok(false),
        },
    }
}

fn is_archive(source: &Source<'_>, taken: &Taken) -> Result<bool> {
    let TakenContent::File(stat) = taken.content else {
        return Ok(false);
    };
    if stat.kind != FileKind::File {
        return Ok(false);
    }
    let item = Item {
        name: taken.path.file_name().unwrap_or_default().to_owned(),
        stat,
    };
    let dir = taken.path.parent().unwrap_or(Path::new(""));
    let (file, _) = Reader::new(source).open(dir, &item)?;
    Ok(archive::is_archive(&file))
}

/// A copy with `--link` as it is in an empty tree, which then comes [over] another one. There are no names of owners in it.
pub fn on_its_own(copy: &Copy) -> Result<Copy> {
    if let Some(owner) = &copy.owner {
        Owner::parse(owner)?.without_tree()?;
    }
    Ok(Copy {
        link: false,
        ..copy.clone()
    })
}

fn copy_taken(
    copier: &Copier<'_>,
    taken: &Taken,
    copy: &Copy,
    destination: &mut Destination<'_>,
    touched: &mut BTreeSet<PathBuf>,
) -> Result<()> {
    let stat = match &taken.content {
        TakenContent::Directory(folders) => {
            let target = destination.place(&taken.name, true)?;
            touched.extend(tree::places(folders, &target));
            return copier.directory(&taken.path, folders, &target, Top::Kept);
        }
        TakenContent::File(stat) => *stat,
    };
    let item = Item {
        name: taken.path.file_name().unwrap_or_default().to_owned(),
        stat,
    };
    if copy.unpack != Unpack::Never && stat.kind == FileKind::File {
        let dir = taken.path.parent().unwrap_or(Path::new(""));
        let (file, found) = Reader::new(copier.source).open(dir, &item)?;
        if archive::is_archive(&file) {
            let owner = copier.style.owner;
            touched.extend(archive::unpack(&file, &taken.path, destination, owner)?);
            let after = entry::stat_fd(&file).map_err(Error::read(&taken.path))?;
            if [found, after]
                .iter()
                .any(|now| FileKey::of(now) != FileKey::of(&stat))
            {
                copier.has_changed(taken.path.clone());
            }
            return Ok(());
        }
    }
    let target = destination.place(&taken.name, false)?;
    copier.single(taken, &item, &target)?;
    touched.insert(target);
    Ok(())
}

/// Makes a file with this name at the destination, and tells where that is.
fn at(
    destination: &mut Destination<'_>,
    name: &str,
    make: impl FnOnce(Place<'_>) -> Result<()>,
) -> Result<BTreeSet<PathBuf>> {
    let path = destination.place(OsStr::new(name), false)?;
    let opened = destination.into.open_parent(&path);
    let (dir, name) = opened.map_err(Error::write("write", &path))?;
    make(Place {
        dir: &dir,
        name: &name,
        path: &path,
    })?;
    Ok(BTreeSet::from([path]))
}
