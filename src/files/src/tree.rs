//! Copies directories with everything that was selected in them, files on all cores.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use stromatekt_kernel::{FileKind, Root, entry};

use crate::contents::Reader;
use crate::digest::FileKey;
use crate::error::{Error, Result};
use crate::parallel;
use crate::place;
use crate::select::{self, Source, Taken, TakenContent};
use crate::walk::{Folder, Item};
use crate::write::{self, Place, Style};

/// A copy from one tree to another.
pub(crate) struct Copier<'a> {
    pub source: &'a Source<'a>,
    pub into: &'a Root,
    pub style: Style,
    /// Sources that changed since they were selected.
    pub unstable: Mutex<Vec<PathBuf>>,
}

/// Copies everything below `path` of a source into an empty tree, whose root becomes the directory at `path`: with all owners (but as
/// [`Source::owners`] says), modes, times, links and extended attributes, and special files as they are.
///
/// What changes meanwhile has [vanished](Error::Vanished).
pub fn copy_tree(source: &Source<'_>, path: &str, into: &Root) -> Result<()> {
    let taken = select::all(source, path)?;
    let TakenContent::Directory(folders) = &taken.content else {
        return Err(Error::read(&taken.path)(
            io::ErrorKind::NotADirectory.into(),
        ));
    };
    let copier = Copier {
        source,
        into,
        style: Style {
            owner: None,
            mode: None,
            owners: source.owners,
            replaces: false,
            is_verbatim: true,
            may_share: true.into(),
        },
        unstable: Mutex::default(),
    };
    copier.directory(&taken.path, folders, Path::new(""), Top::Copied)?;
    match copier.unstable().into_iter().next() {
        Some(path) => Err(Error::Vanished { path, source: None }),
        None => Ok(()),
    }
}

/// The paths that a copy of these directories into the one at `target` makes or alters.
pub(crate) fn places(folders: &[Folder], target: &Path) -> impl Iterator<Item = PathBuf> {
    folders.iter().flat_map(|folder| {
        // Joined with nothing, a path gets a slash at its end, which would stand in the layer.
        let dir = match folder.path.as_os_str().is_empty() {
            true => target.to_owned(),
            false => target.join(&folder.path),
        };
        let items: Vec<PathBuf> = folder
            .items
            .iter()
            .map(|item| dir.join(&item.name))
            .collect();
        std::iter::once(dir).chain(items)
    })
}

/// What becomes of the directory that the contents of another are put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Top {
    /// It gets the attributes of the other.
    Copied,
    /// It keeps what it has but for its time, as in BuildKit.
    Kept,
}

/// A file of a directory that is copied, or, where it has several names, the first of them.
struct FileCopy<'a> {
    folder: usize,
    item: &'a Item,
}

/// What a thread keeps open.
struct Hands<'a> {
    reader: Reader<'a>,
    target: Option<(usize, OwnedFd)>,
}

impl Copier<'_> {
    /// What was taken and is no directory, to the place it was given.
    pub fn single(&self, taken: &Taken, item: &Item, target: &Path) -> Result<()> {
        let dir = taken.path.parent().unwrap_or(Path::new(""));
        let (parent, name) = self
            .into
            .open_parent(target)
            .map_err(Error::write("write", target))?;
        let to = Place {
            dir: &parent,
            name: &name,
            path: target,
        };
        self.item(&mut Reader::new(self.source), dir, item, to)
    }

    /// The contents of a directory, into the directory at `target`.
    pub fn directory(
        &self,
        base: &Path,
        folders: &[Folder],
        target: &Path,
        top: Top,
    ) -> Result<()> {
        let is_new = self.make_directories(folders, target)?;
        let mut files = Vec::new();
        let mut links = Vec::new();
        let mut first: HashMap<(u64, u64), (usize, &OsStr)> = HashMap::new();
        for (folder, item) in (0..).zip(folders).flat_map(|(index, folder)| {
            let items = folder.items.iter();
            items.map(move |item| (index, item))
        }) {
            if item.stat.kind == FileKind::File && item.stat.nlink > 1 {
                let inode = (item.stat.dev, item.stat.ino);
                if let Some(first) = first.get(&inode) {
                    links.push((*first, folder, item));
                    continue;
                }
                first.insert(inode, (folder, &item.name));
            }
            files.push(FileCopy { folder, item });
        }
        let hands = || Hands {
            reader: Reader::new(self.source),
            target: None,
        };
        parallel::map(&files, hands, |hands, file| {
            let folder = &folders[file.folder].path;
            let dir = target.join(folder);
            if hands
                .target
                .as_ref()
                .is_none_or(|(open, _)| *open != file.folder)
            {
                hands.target = Some((file.folder, self.open_target(&dir)?));
            }
            let Some((_, open)) = &hands.target else {
                return Ok(());
            };
            let to = Place {
                dir: open,
                name: &file.item.name,
                path: &dir.join(&file.item.name),
            };
            self.item(&mut hands.reader, &base.join(folder), file.item, to)
        })?;
        for ((first_folder, first_name), folder, item) in links {
            let (first_dir, dir) = (
                target.join(&folders[first_folder].path),
                target.join(&folders[folder].path),
            );
            let from = Place {
                dir: &self.open_target(&first_dir)?,
                name: first_name,
                path: &first_dir,
            };
            let to = Place {
                dir: &self.open_target(&dir)?,
                name: &item.name,
                path: &dir.join(&item.name),
            };
            self.style.link(from, to)?;
        }
        for (folder, is_new) in folders.iter().zip(is_new).skip(1).rev() {
            self.finish_directory(base, folder, target, is_new)?;
        }
        match (folders.first(), top) {
            (Some(first), Top::Copied) => self.finish_directory(base, first, target, true),
            (Some(first), Top::Kept) => {
                let to = File::from(self.open_target(target)?);
                let failed = Error::write("change the time of", target);
                write::set_times(&to, first.stat.mtime).map_err(failed)
            }
            (None, _) => Ok(()),
        }
    }

    /// Notes that a source is not what it was when it was selected.
    pub fn has_changed(&self, path: PathBuf) {
        let mut unstable = self.unstable.lock().unwrap_or_else(PoisonError::into_inner);
        unstable.push(path);
    }

    /// The paths of sources that changed, in a fixed order.
    pub fn unstable(self) -> Vec<PathBuf> {
        let mut unstable = self
            .unstable
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        unstable.sort_unstable();
        unstable
    }

    /// Makes the directories below the first, which is there. Tells which of them are new.
    fn make_directories(&self, folders: &[Folder], target: &Path) -> Result<Vec<bool>> {
        let mut is_new = vec![false; folders.len()];
        let mut parent: Option<(PathBuf, OwnedFd)> = None;
        for (folder, is_new) in folders.iter().zip(&mut is_new).skip(1) {
            let path = target.join(&folder.path);
            let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
                continue;
            };
            if parent.as_ref().is_none_or(|(open, _)| open != above) {
                parent = Some((above.to_owned(), self.open_target(above)?));
            }
            let Some((_, above)) = &parent else {
                continue;
            };
            // Others must not see into it before it has its mode.
            match entry::mkdirat(above, name, 0o700) {
                Ok(()) => *is_new = true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let failed = Error::write("make the directory", &path);
                    if entry::lstatat(above, name).map_err(failed)?.is_dir() {
                        continue;
                    }
                    if !self.style.replaces {
                        return Err(Error::DirectoryOverFile { path });
                    }
                    place::make_directory_over(above, name, &path)?;
                    *is_new = true;
                }
                Err(error) => return Err(Error::write("make the directory", &path)(error)),
            }
        }
        Ok(is_new)
    }

    /// Gives a directory that was filled its attributes: the time last, since what was put into it has changed it.
    fn finish_directory(
        &self,
        base: &Path,
        folder: &Folder,
        target: &Path,
        is_new: bool,
    ) -> Result<()> {
        let path = target.join(&folder.path);
        let failed = || Error::write("change the attributes of", &path);
        let to = File::from(self.open_target(&path)?);
        let from = base.join(&folder.path);
        let open_source = || {
            self.source
                .root
                .open_dir_no_symlinks(&from)
                .map_err(Error::read(&from))
        };
        match (folder.included, is_new || self.style.replaces) {
            (true, _) => self
                .style
                .copy_attributes(&open_source()?, &folder.stat, &to, true),
            // BuildKit makes a directory that is taken only for what is below it when it comes to that, and does not return to it.
            (false, true) => self
                .style
                .copy_attributes(&open_source()?, &folder.stat, &to, false),
            (false, false) => to.set_permissions(std::fs::Permissions::from_mode(folder.stat.mode)),
        }
        .map_err(failed())
    }

    fn item(&self, reader: &mut Reader<'_>, dir: &Path, item: &Item, to: Place<'_>) -> Result<()> {
        let path = dir.join(&item.name);
        if item.stat.kind != FileKind::File {
            let from = Place {
                dir: reader.dir(dir)?,
                name: &item.name,
                path: &path,
            };
            return self.style.copy_special(from, &item.stat, to);
        }
        let (file, _) = reader.open(dir, item)?;
        self.style
            .copy_file((&file, &item.stat, &path), to, reader.buffer())?;
        let after = entry::stat_fd(&file).map_err(Error::read(&path))?;
        if FileKey::of(&after) != FileKey::of(&item.stat) {
            self.has_changed(path);
        }
        Ok(())
    }

    fn open_target(&self, path: &Path) -> Result<OwnedFd> {
        self.into
            .open_dir_no_symlinks(path)
            .map_err(Error::write("open the directory", path))
    }
}
