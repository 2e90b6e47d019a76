//! A directory as the root of a tree whose names are hostile: every path resolves beneath it.
//!
//! Symbolic links, `..` and absolute paths inside the tree are followed as a process chrooted into it would (`openat2(2)`,
//! `RESOLVE_IN_ROOT`), so no path leads out, whatever else changes the tree meanwhile.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

use crate::entry;
use crate::stat::{FileKind, Stat};

pub use nix::fcntl::OFlag;

/// How many symbolic links [`Root::resolve`] follows before it calls them a loop: as many as the kernel does.
const MAX_SYMLINKS: usize = 40;

/// The bit of a directory's mode that makes what is made in it of its group, and directories made in it have the bit too.
const SETGID: u32 = 0o2000;

/// The root directory of a tree.
///
/// Paths are relative to it; a leading `/` changes nothing, and the empty path is the root itself.
#[derive(Debug)]
pub struct Root {
    dir: OwnedFd,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// Its name.
    pub name: OsString,
    /// What it is; a symbolic link is not followed.
    pub kind: FileKind,
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl From<OwnedFd> for Root {
    /// The tree below this directory, which may have been opened with `O_PATH`.
    fn from(dir: OwnedFd) -> Self {
        Self { dir }
    }
}

impl Root {
    /// The tree below the directory at `path`, which is a path of the host.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = nix::fcntl::open(path.as_ref(), flags, Mode::empty())?;
        Ok(Self { dir })
    }

    /// The same root once more.
    pub fn try_clone(&self) -> io::Result<Self> {
        let dir = self.dir.try_clone()?;
        Ok(Self { dir })
    }

    /// The tree below the directory at `path`.
    pub fn subtree(&self, path: impl AsRef<Path>) -> io::Result<Self> {
        let dir = self.openat2(path.as_ref(), OFlag::O_PATH | OFlag::O_DIRECTORY, 0)?;
        Ok(Self { dir })
    }

    /// Opens a file; `mode` counts only for a file that `O_CREAT` makes, and is subject to the umask.
    pub fn open_file(&self, path: impl AsRef<Path>, flags: OFlag, mode: u32) -> io::Result<File> {
        self.openat2(path.as_ref(), flags, mode).map(File::from)
    }

    /// Opens a directory for reading.
    pub fn open_dir(&self, path: impl AsRef<Path>) -> io::Result<OwnedFd> {
        self.openat2(path.as_ref(), OFlag::O_RDONLY | OFlag::O_DIRECTORY, 0)
    }

    /// Opens for reading a directory that every component of `path` leads to as it is written.
    ///
    /// A symbolic link among them gives `ELOOP`, `..` out of the root `EXDEV`.
    pub fn open_dir_no_symlinks(&self, path: impl AsRef<Path>) -> io::Result<OwnedFd> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS;
        self.openat2_with(path.as_ref(), flags, 0, resolve)
    }

    /// A handle (`O_PATH`) on what stands at `path`, be it a symbolic link.
    pub fn open_no_follow(&self, path: impl AsRef<Path>) -> io::Result<OwnedFd> {
        self.openat2(path.as_ref(), OFlag::O_PATH | OFlag::O_NOFOLLOW, 0)
    }

    /// A handle (`O_PATH`) on the directory that holds `path`, and the name of the entry there, which need not exist.
    ///
    /// Symbolic links are followed on the way to the directory, never the entry. Fails for a path that names no entry of a
    /// directory: the root, and what ends in `..`.
    pub fn open_parent(&self, path: impl AsRef<Path>) -> io::Result<(OwnedFd, OsString)> {
        let path = path.as_ref();
        let Some(name) = path.file_name() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("`{}` names no entry of a directory", path.display()),
            ));
        };
        let parent = path.parent().unwrap_or(Path::new(""));
        let dir = self.openat2(parent, OFlag::O_PATH | OFlag::O_DIRECTORY, 0)?;
        Ok((dir, name.to_owned()))
    }

    /// What stands at `path`, after symbolic links.
    pub fn stat(&self, path: impl AsRef<Path>) -> io::Result<Stat> {
        entry::stat_fd(self.openat2(path.as_ref(), OFlag::O_PATH, 0)?)
    }

    /// What stands at `path`, be it a symbolic link.
    pub fn lstat(&self, path: impl AsRef<Path>) -> io::Result<Stat> {
        entry::stat_fd(self.open_no_follow(path)?)
    }

    /// Whether anything stands at `path`, be it a dangling symbolic link.
    pub fn exists(&self, path: impl AsRef<Path>) -> io::Result<bool> {
        match self.open_no_follow(path) {
            Ok(_) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The target of the symbolic link at `path`.
    pub fn read_link(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        // readlinkat(2): the empty name means the link that the descriptor itself stands for; what is no link gives ENOENT
        // there, where readlink(2) gives EINVAL.
        let link = self.open_no_follow(path)?;
        match nix::fcntl::readlinkat(&link, "") {
            Ok(target) => Ok(target.into()),
            Err(Errno::ENOENT) => Err(Errno::EINVAL.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// The entries of the directory at `path`, by name.
    pub fn read_dir(&self, path: impl AsRef<Path>) -> io::Result<Vec<DirEntry>> {
        entry::read_dir_fd(self.open_dir(path)?)
    }

    /// Makes the directory at `path` and those above it, unless they exist; new ones get exactly `mode`, and the setgid bit where the
    /// directory they are made in has it, as mkdir(2) says.
    ///
    /// Tells which directories are new, outermost first, as paths without symbolic links.
    pub fn create_dir_all(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<Vec<PathBuf>> {
        let resolved = self.resolve(path)?;
        let mut made = Vec::new();
        let mut missing = Vec::new();
        for ancestor in resolved.ancestors() {
            match self.openat2(ancestor, OFlag::O_PATH | OFlag::O_DIRECTORY, 0) {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(ancestor),
                Err(error) => return Err(error),
            }
        }
        for path in missing.into_iter().rev() {
            let (dir, name) = self.open_parent(path)?;
            match entry::mkdirat(&dir, &name, mode) {
                Ok(()) => {
                    let inherited = entry::lstatat(&dir, &name)?.mode & SETGID;
                    entry::fchmodat(&dir, &name, mode | inherited)?;
                    made.push(path.to_owned());
                }
                // Another thread was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(made)
    }

    /// Where `path` leads: the relative path, without symbolic links, `.` and `..`, of what it names.
    ///
    /// It need not exist: what comes after the last entry that does is taken as it is written. The root is the empty path.
    pub fn resolve(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        let mut resolved = PathBuf::new();
        let mut links = 0;
        let mut exists = true;
        // Components still to walk, the next one last.
        let mut rest: Vec<OsString> = steps(path.as_ref());
        while let Some(step) = rest.pop() {
            if step == ".." {
                resolved.pop();
                exists = exists || self.exists(&resolved)?;
                continue;
            }
            resolved.push(&step);
            if !exists {
                continue;
            }
            match self.read_link(&resolved) {
                Ok(target) => {
                    links += 1;
                    if links > MAX_SYMLINKS {
                        return Err(Errno::ELOOP.into());
                    }
                    if target.is_absolute() {
                        resolved.clear();
                    } else {
                        resolved.pop();
                    }
                    rest.extend(steps(&target));
                }
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => exists = false,
                Err(error) => return Err(error),
            }
        }
        Ok(resolved)
    }

    fn openat2(&self, path: &Path, flags: OFlag, mode: u32) -> io::Result<OwnedFd> {
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        self.openat2_with(path, flags, mode, resolve)
    }

    fn openat2_with(
        &self,
        path: &Path,
        flags: OFlag,
        mode: u32,
        resolve: ResolveFlag,
    ) -> io::Result<OwnedFd> {
        let path = match path.as_os_str() {
            empty if empty.is_empty() => Path::new("."),
            _ => path,
        };
        // openat2(2) refuses a mode where nothing can be created.
        let creates = flags.intersects(OFlag::O_CREAT | OFlag::O_TMPFILE);
        let mode = if creates { mode & 0o7777 } else { 0 };
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .mode(Mode::from_bits_retain(mode))
            .resolve(resolve);
        loop {
            match openat2(&self.dir, path, how) {
                // A rename anywhere, while `..` was walked, makes the kernel unsure whether that led out: try again.
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                result => return Ok(result?),
            }
        }
    }
}

/// The components of a path as [`Root::resolve`] consumes them: reversed, of `..` and names only.
fn steps(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// Whether an error says that a path leads to nothing.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)
    )
}

/// Refuses what is not the name of an entry, lest it be taken for a path.
pub(crate) fn single(name: &OsStr) -> nix::Result<&OsStr> {
    match name.as_bytes() {
        b"" | b"." | b".." => Err(Errno::EINVAL),
        bytes if bytes.contains(&b'/') => Err(Errno::EINVAL),
        _ => Ok(name),
    }
}

/// What a name in an open directory is, without following it.
pub(crate) fn stat_name(dir: impl AsFd, name: &OsStr) -> nix::Result<Stat> {
    let stat = nix::sys::stat::fstatat(dir, single(name)?, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok(stat.into())
}
