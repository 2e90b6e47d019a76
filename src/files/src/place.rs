//! Where a copy goes: the destination found in the tree, and the directories made that lead to it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use stromatekt_graph::path;
use stromatekt_kernel::{FileKind, Root, entry};

use crate::error::{Error, Result};
use crate::owner::Ids;

/// Mode and owner of directories that are made only to lead to a destination. Beneath a directory with the setgid bit they have it too, and
/// its group where there is no owner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewDirectory {
    pub mode: u32,
    /// Root where absent.
    pub owner: Option<Ids>,
}

/// Makes the directory at `path` and its parents, following symbolic links beneath the root; what exists stays as it is.
pub(crate) fn directory(tree: &Root, path: &Path, new: NewDirectory) -> Result<()> {
    let failed = || Error::write("make the directory", relative(path));
    let made = tree.create_dir_all(path, new.mode).map_err(failed())?;
    // A file in its place is found only here: the kernel does not resolve a path through it.
    if made.is_empty() && !tree.stat(path).map_err(failed())?.is_dir() {
        return Err(failed()(io::ErrorKind::NotADirectory.into()));
    }
    if let Some(ids) = new.owner {
        for made in made {
            let dir = tree.open_dir_no_symlinks(&made).map_err(failed())?;
            // The mode stays: only that of files is cut (chown(2)).
            fchown(&dir, Some(ids.uid), Some(ids.gid))
                .map_err(Error::write("change the owner of", &made))?;
        }
    }
    Ok(())
}

/// Makes the directory at `path` and its parents as if nothing were there: what is no directory is replaced, and what is one gets the mode
/// and the owner, as if a layer with these directories came over the tree.
fn directory_over(tree: &Root, path: &Path, new: NewDirectory) -> Result<()> {
    let mut above: Vec<&Path> = path
        .ancestors()
        .filter(|above| !above.as_os_str().is_empty())
        .collect();
    above.reverse();
    for path in above {
        let failed = || Error::write("make the directory", path);
        let (dir, name) = tree.open_parent(path).map_err(failed())?;
        make_directory_over(&dir, &name, path)?;
        let made = tree.open_dir_no_symlinks(path).map_err(failed())?;
        set_owner(&made.into(), new.owner.unwrap_or_default(), new.mode).map_err(failed())?;
    }
    Ok(())
}

/// Makes a directory; what is no directory is replaced. `path` is for messages.
pub(crate) fn make_directory_over(dir: impl AsFd, name: &OsStr, path: &Path) -> Result<()> {
    let failed = || Error::write("make the directory", path);
    match entry::lstatat(&dir, name) {
        Ok(stat) if stat.kind == FileKind::Directory => return Ok(()),
        Ok(_) => entry::unlinkat(&dir, name).map_err(failed())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed()(error)),
    }
    entry::mkdirat(&dir, name, 0o755).map_err(failed())
}

/// Gives an owner and then the mode, which the change of owner may have cut (chown(2)). What is right already is left alone: to look is
/// much cheaper than to change.
pub(crate) fn set_owner(file: &File, ids: Ids, mode: u32) -> io::Result<()> {
    let mut stat = entry::stat_fd(file)?;
    if (stat.uid, stat.gid) != (ids.uid, ids.gid) {
        fchown(file, Some(ids.uid), Some(ids.gid))?;
        stat = entry::stat_fd(file)?;
    }
    if stat.mode != mode {
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// A path of a tree as the errors have it.
pub(crate) fn relative(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

/// The destination of a copy, as it was written, and what is known of what stands there.
pub(crate) struct Destination<'a> {
    pub into: &'a Root,
    /// Without `.` and `..`, relative to the root.
    path: PathBuf,
    /// Whether it ends in `/`.
    is_directory: bool,
    new: NewDirectory,
    /// With `--link`: whether a directory stands there, where something does; what is in the tree does not count.
    link: Option<Option<bool>>,
}

impl<'a> Destination<'a> {
    pub fn new(into: &'a Root, path: &str, link: bool, new: NewDirectory) -> Self {
        let is_directory = path.ends_with('/') || path.ends_with("/.");
        let path = path::clean(&format!("/{path}"));
        let path = PathBuf::from(path.trim_start_matches('/'));
        let is_there = is_directory || path.as_os_str().is_empty();
        Self {
            into,
            path,
            is_directory,
            new,
            link: link.then_some(is_there.then_some(true)),
        }
    }

    /// Makes what leads to the place of something with this name, and tells the place: without symbolic links but for the last component.
    ///
    /// A directory goes to the destination itself, which is made; anything else goes into it if it is a directory.
    pub fn place(&mut self, name: &OsStr, is_dir: bool) -> Result<PathBuf> {
        match self.link {
            None => self.place_in_tree(name, is_dir),
            Some(standing) => {
                let place = self.place_over_tree(standing, name, is_dir)?;
                self.link = Some(standing.or(Some(is_dir)));
                Ok(place)
            }
        }
    }

    fn place_in_tree(&self, name: &OsStr, is_dir: bool) -> Result<PathBuf> {
        directory(self.into, self.leading(), self.new)?;
        let place = self.resolve()?;
        let standing = match self.into.stat(&place) {
            Ok(stat) => Some(stat.is_dir()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::write("look at", &place)(error)),
        };
        match (is_dir, standing) {
            (false, Some(true)) => Ok(place.join(name)),
            (false, _) => {
                // It may be beyond a symbolic link that leads nowhere.
                let parent = place.parent().unwrap_or(Path::new(""));
                directory(self.into, parent, self.new)?;
                Ok(place)
            }
            (true, None) => {
                directory(self.into, &place, self.new)?;
                Ok(place)
            }
            (true, Some(true)) => Ok(place),
            (true, Some(false)) => Err(Error::DirectoryOverFile { path: place }),
        }
    }

    fn place_over_tree(
        &self,
        standing: Option<bool>,
        name: &OsStr,
        is_dir: bool,
    ) -> Result<PathBuf> {
        match (is_dir, standing) {
            (false, Some(true)) => {
                directory_over(self.into, &self.path, self.new)?;
                Ok(self.path.join(name))
            }
            (false, _) => {
                let parent = self.path.parent().unwrap_or(Path::new(""));
                directory_over(self.into, parent, self.new)?;
                Ok(self.path.clone())
            }
            (true, None | Some(true)) => {
                directory_over(self.into, &self.path, self.new)?;
                Ok(self.path.clone())
            }
            (true, Some(false)) => Err(Error::DirectoryOverFile {
                path: self.path.clone(),
            }),
        }
    }

    /// Makes the destination itself a directory, and tells where it is.
    pub fn directory(&self, new: NewDirectory) -> Result<PathBuf> {
        let place = self.resolve()?;
        directory(self.into, &place, new)?;
        Ok(place)
    }

    fn resolve(&self) -> Result<PathBuf> {
        self.into
            .resolve(&self.path)
            .map_err(Error::write("find", &self.path))
    }

    /// The directory that the way the destination is written demands.
    fn leading(&self) -> &Path {
        if self.is_directory {
            return &self.path;
        }
        self.path.parent().unwrap_or(&self.path)
    }
}
