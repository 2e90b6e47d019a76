//! Calls on one entry of an open directory: never a path, and never through a symbolic link.
//!
//! The directory is a descriptor, `O_PATH` being enough, as [`crate::Root::open_parent`] gives it; a name with a `/` in it is refused.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, UnlinkatFlags};

use crate::beneath::{DirEntry, single, stat_name};
use crate::stat::{FileKind, Stat, Timestamp};

pub use crate::remove::remove_tree_at;

/// A special file to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A named pipe.
    Fifo,
    /// A socket that nobody listens on.
    Socket,
    /// A character device.
    CharDevice {
        /// The driver.
        major: u32,
        /// The driver's device.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// The driver.
        major: u32,
        /// The driver's device.
        minor: u32,
    },
}

/// What an open descriptor stands for.
pub fn stat_fd(fd: impl AsFd) -> io::Result<Stat> {
    Ok(nix::sys::stat::fstat(fd)?.into())
}

/// What the entry is.
pub fn lstatat(dir: impl AsFd, name: &OsStr) -> io::Result<Stat> {
    Ok(stat_name(dir, name)?)
}

/// The target of a symbolic link.
pub fn readlinkat(dir: impl AsFd, name: &OsStr) -> io::Result<PathBuf> {
    Ok(nix::fcntl::readlinkat(dir, single(name)?)?.into())
}

/// Opens the entry, unless it is a symbolic link.
pub fn openat(dir: impl AsFd, name: &OsStr, flags: OFlag, mode: u32) -> io::Result<File> {
    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fd = nix::fcntl::openat(dir, single(name)?, flags, permissions(mode))?;
    Ok(fd.into())
}

/// Makes a regular file that was not there, open for writing. Its mode is subject to the umask.
pub fn create_file_at(dir: impl AsFd, name: &OsStr, mode: u32) -> io::Result<File> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL;
    openat(dir, name, flags, mode)
}

/// Makes a directory. Its mode is subject to the umask.
pub fn mkdirat(dir: impl AsFd, name: &OsStr, mode: u32) -> io::Result<()> {
    Ok(nix::sys::stat::mkdirat(
        dir,
        single(name)?,
        permissions(mode),
    )?)
}

/// Makes a symbolic link to `target`.
pub fn symlinkat(target: &Path, dir: impl AsFd, name: &OsStr) -> io::Result<()> {
    Ok(nix::unistd::symlinkat(target, dir, single(name)?)?)
}

/// Gives a file one more name. A symbolic link is linked itself.
pub fn linkat(
    old_dir: impl AsFd,
    old_name: &OsStr,
    dir: impl AsFd,
    name: &OsStr,
) -> io::Result<()> {
    let flags = AtFlags::empty();
    Ok(nix::unistd::linkat(
        old_dir,
        single(old_name)?,
        dir,
        single(name)?,
        flags,
    )?)
}

/// Makes a special file. Its mode is subject to the umask.
pub fn mknodat(dir: impl AsFd, name: &OsStr, node: Node, mode: u32) -> io::Result<()> {
    let (kind, device) = match node {
        Node::Fifo => (SFlag::S_IFIFO, 0),
        Node::Socket => (SFlag::S_IFSOCK, 0),
        Node::CharDevice { major, minor } => (SFlag::S_IFCHR, libc::makedev(major, minor)),
        Node::BlockDevice { major, minor } => (SFlag::S_IFBLK, libc::makedev(major, minor)),
    };
    Ok(nix::sys::stat::mknodat(
        dir,
        single(name)?,
        kind,
        permissions(mode),
        device,
    )?)
}

/// Removes the entry, unless it is a directory.
pub fn unlinkat(dir: impl AsFd, name: &OsStr) -> io::Result<()> {
    Ok(nix::unistd::unlinkat(
        dir,
        single(name)?,
        UnlinkatFlags::NoRemoveDir,
    )?)
}

/// Removes an empty directory.
pub fn rmdirat(dir: impl AsFd, name: &OsStr) -> io::Result<()> {
    Ok(nix::unistd::unlinkat(
        dir,
        single(name)?,
        UnlinkatFlags::RemoveDir,
    )?)
}

/// Moves an entry, over what stands at the new name.
pub fn renameat(
    old_dir: impl AsFd,
    old_name: &OsStr,
    dir: impl AsFd,
    name: &OsStr,
) -> io::Result<()> {
    Ok(nix::fcntl::renameat(
        old_dir,
        single(old_name)?,
        dir,
        single(name)?,
    )?)
}

/// Gives the entry to an owner and a group.
///
/// The kernel clears setuid, setgid and capabilities when it does: do this before the mode and the xattrs.
pub fn fchownat(dir: impl AsFd, name: &OsStr, uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    let flags = AtFlags::AT_SYMLINK_NOFOLLOW;
    Ok(nix::unistd::fchownat(dir, single(name)?, uid, gid, flags)?)
}

/// Sets the mode of the entry. A symbolic link, which has none of its own on Linux, gives `EOPNOTSUPP`.
pub fn fchmodat(dir: impl AsFd, name: &OsStr, mode: u32) -> io::Result<()> {
    let dir = dir.as_fd();
    let c_name = CString::new(single(name)?.as_bytes())?;
    // SAFETY: fchmodat2(2) reads the NUL-terminated name, which outlives the call, and keeps nothing.
    let result = unsafe {
        libc::syscall(
            libc::SYS_fchmodat2,
            dir.as_raw_fd(),
            c_name.as_ptr(),
            mode & 0o7777,
            libc::AT_SYMLINK_NOFOLLOW,
        )
    };
    match Errno::result(result) {
        Ok(_) => Ok(()),
        // Before Linux 6.6 and under old seccomp filters: the C library emulates it through /proc.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            let flag = nix::sys::stat::FchmodatFlags::NoFollowSymlink;
            Ok(nix::sys::stat::fchmodat(
                dir,
                name,
                permissions(mode),
                flag,
            )?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Sets the times of the entry, of a symbolic link its own.
pub fn utimensat(
    dir: impl AsFd,
    name: &OsStr,
    atime: Timestamp,
    mtime: Timestamp,
) -> io::Result<()> {
    let spec = |time: Timestamp| TimeSpec::new(time.seconds, time.nanoseconds.into());
    let flags = UtimensatFlags::NoFollowSymlink;
    Ok(nix::sys::stat::utimensat(
        dir,
        single(name)?,
        &spec(atime),
        &spec(mtime),
        flags,
    )?)
}

/// Sets the times of what is open, for reading at least.
pub fn futimens(fd: impl AsFd, atime: Timestamp, mtime: Timestamp) -> io::Result<()> {
    let spec = |time: Timestamp| TimeSpec::new(time.seconds, time.nanoseconds.into());
    Ok(nix::sys::stat::futimens(fd, &spec(atime), &spec(mtime))?)
}

/// The entries of an open directory, by name. It must be open for reading.
pub fn read_dir_fd(dir: OwnedFd) -> io::Result<Vec<DirEntry>> {
    let mut dir = Dir::from_fd(dir)?;
    let mut found = Vec::new();
    for entry in dir.iter() {
        let entry = entry?;
        if is_dot(entry.file_name()) {
            continue;
        }
        found.push((
            OsString::from_vec(entry.file_name().to_bytes().to_vec()),
            entry.file_type(),
        ));
    }
    found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    found
        .into_iter()
        .map(|(name, kind)| {
            let kind = match kind {
                Some(Type::File) => FileKind::File,
                Some(Type::Directory) => FileKind::Directory,
                Some(Type::Symlink) => FileKind::Symlink,
                Some(Type::CharacterDevice) => FileKind::CharDevice,
                Some(Type::BlockDevice) => FileKind::BlockDevice,
                Some(Type::Fifo) => FileKind::Fifo,
                Some(Type::Socket) => FileKind::Socket,
                // Not every file system keeps the kind in its directories.
                None => lstatat(&dir, &name)?.kind,
            };
            Ok(DirEntry { name, kind })
        })
        .collect()
}

/// Whether a directory's entry is one of the two that stand for itself and its parent.
pub(crate) fn is_dot(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

fn permissions(mode: u32) -> Mode {
    Mode::from_bits_retain(mode & 0o7777)
}
