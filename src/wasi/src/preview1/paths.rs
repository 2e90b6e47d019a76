//! `path_*`: entries of directories.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;

use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, UtimensatFlags, fstat, fstatat, mkdirat, utimensat};
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};

use super::abi::{Errno, FileType, Memory};
use super::descriptors::{Descriptor, Directory, Listing};
use super::{Host, Result, rights, times};

/// `lookupflags`.
const FOLLOW: u32 = 1;

/// `oflags`.
const CREATE: u32 = 1;
const DIRECTORY: u32 = 2;
const EXCLUSIVE: u32 = 4;
const TRUNCATE: u32 = 8;

/// `fdflags`, with what the kernel calls them. `NONBLOCK` is not among them: no file keeps a module waiting.
pub const DESCRIPTOR_FLAGS: [(u32, OFlag); 4] = [
    (1, OFlag::O_APPEND),
    (2, OFlag::O_DSYNC),
    (8, OFlag::O_RSYNC),
    (16, OFlag::O_SYNC),
];

pub fn path_create_directory(
    host: &mut Host,
    memory: &mut Memory<'_>,
    fd: u32,
    path: u32,
    length: u32,
) -> Result {
    let directory = host.descriptors.directory(fd)?;
    let mode = Mode::from_bits_retain(0o777);
    Ok(mkdirat(&directory.fd, memory.path(path, length)?, mode)?)
}

pub fn path_filestat_get(
    host: &mut Host,
    memory: &mut Memory<'_>,
    fd: u32,
    flags: u32,
    path: u32,
    length: u32,
    stat: u32,
) -> Result {
    let directory = host.descriptors.directory(fd)?;
    let follow = match flags & FOLLOW {
        0 => AtFlags::AT_SYMLINK_NOFOLLOW,
        _ => AtFlags::empty(),
    };
    let found = fstatat(&directory.fd, memory.path(path, length)?, follow)?;
    times::put_stat(memory, stat, &found)
}

#[expect(clippy::too_many_arguments, reason = "WASI has as many")]
pub fn path_filestat_set_times(
    host: &mut Host,
    memory: &mut Memory<'_>,
    fd: u32,
    flags: u32,
    path: u32,
    length: u32,
    atime: u64,
    mtime: u64,
    set: u32,
) -> Result {
    let directory = host.descriptors.directory(fd)?;
    let follow = match flags & FOLLOW {
        0 => UtimensatFlags::NoFollowSymlink,
        _ => UtimensatFlags::FollowSymlink,
    };
    let (atime, mtime) = times::chosen(atime, mtime, set)?;
    let path = memory.path(path, length)?;
    Ok(utimensat(&directory.fd, path, &atime, &mtime, follow)?)
}

#[expect(clippy::too_many_arguments, reason = "WASI has as many")]
pub fn path_link(
    host: &mut Host,
    memory: &mut Memory<'_>,
    old_fd: u32,
    flags: u32,
    old: u32,
    old_length: u32,
    fd: u32,
    path: u32,
    length: u32,
) -> Result {
    let from = host.descriptors.directory(old_fd)?;
    let directory = host.descriptors.directory(fd)?;
    let follow = match flags & FOLLOW {
        0 => AtFlags::empty(),
        _ => AtFlags::AT_SYMLINK_FOLLOW,
    };
    let (old, path) = (memory.path(old, old_length)?, memory.path(path, length)?);
    Ok(linkat(&from.fd, old, &directory.fd, path, follow)?)
}

#[expect(clippy::too_many_arguments, reason = "WASI has as many")]
pub fn path_open(
    host: &mut Host,
    memory: &mut Memory<'_>,
    fd: u32,
    lookup: u32,
    path: u32,
    length: u32,
    open: u32,
    base: u64,
    _inheriting: u64,
    flags: u32,
    opened: u32,
) -> Result {
    host.descriptors.directory(fd)?;
    let how = open_flags(lookup, open, base, flags)?;
    let mode = Mode::from_bits_retain(0o666);
    // Before it has a number that nobody would be told.
    memory.put_u32(opened, 0)?;
    let path = memory.path(path, length)?;
    let number = host.descriptors.add(|descriptors| {
        let directory = descriptors.directory(fd)?;
        descriptor(nix::fcntl::openat(&directory.fd, path, how, mode)?)
    })?;
    Ok(memory.put_u32(opened, number)?)
}

fn open_flags(lookup: u32, open: u32, base: u64, flags: u32) -> Result<OFlag, Errno> {
    // A named pipe would be waited for, and a terminal would become the builder's own.
    let mut how = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let reads = base & (rights::READ | rights::READ_DIRECTORY) != 0;
    let writes = base & rights::WRITES != 0;
    how |= match (reads, writes) {
        _ if open & DIRECTORY != 0 && base & rights::WRITE != 0 => return Err(Errno::IsDirectory),
        // What else is asked for needs no more than to read.
        _ if open & DIRECTORY != 0 => OFlag::O_RDONLY | OFlag::O_DIRECTORY,
        (true, true) => OFlag::O_RDWR,
        (false, true) => OFlag::O_WRONLY,
        (_, false) => OFlag::O_RDONLY,
    };
    if open & DIRECTORY != 0 && open & (CREATE | EXCLUSIVE | TRUNCATE) != 0 {
        return Err(Errno::Invalid);
    }
    for (flag, unix) in [
        (CREATE, OFlag::O_CREAT),
        (EXCLUSIVE, OFlag::O_EXCL),
        (TRUNCATE, OFlag::O_TRUNC),
    ] {
        if open & flag != 0 {
            how |= unix;
        }
    }
    for (flag, unix) in DESCRIPTOR_FLAGS {
        if flags & flag != 0 {
            how |= unix;
        }
    }
    if lookup & FOLLOW == 0 {
        how |= OFlag::O_NOFOLLOW;
    }
    Ok(how)
}

/// Only files and directories can be open: at the other end of a pipe there is nobody.
fn descriptor(fd: OwnedFd) -> Result<Descriptor, Errno> {
    match times::file_type(fstat(&fd)?.st_mode) {
        FileType::File => Ok(Descriptor::File(File::from(fd))),
        FileType::Directory => Ok(Descriptor::Directory(Directory {
            fd,
            name: None,
            listing: Listing::default(),
        })),
        _ => Err(Errno::NotSupported),
    }
}

#[expect(clippy::too_many_arguments, reason = "WASI has as many")]
pub fn path_readlink(
    host: &mut Host,
    memory: &mut Memory<'_>,
    fd: u32,
    path: u32,
    length: u32,
    buffer: u32,
    room: u32,
    size: u32,
) -> Result {
    let directory = host.descriptors.directory(fd)?;
    let target = nix::fcntl::readlinkat(&directory.fd, memory.path(path, length)?)?;
    let room = memory.bytes_mut(buffer, room)?;
    let told = target.as_bytes();
    let told = &told[..told.len().min(room.len())];
    room[..told.len()].copy_from_slice(told);
    let told = u32::try_from(told.len()).map_err(|_| Errno::Overflow)?;
    Ok(memory.put_u32(size, told)?)
}

pub fn path_remove_directory(
    host: &mut Host,
    memory: &mut Memory<'_>,
    fd: u32,
    path: u32,
    length: u32,
) -> Result {
    let directory = host.descriptors.directory(fd)?;
    let path = memory.path(path, length)?;
    Ok(unlinkat(&directory.fd, path, UnlinkatFlags::RemoveDir)?)
}

#[expect(clippy::too_many_arguments, reason = "WASI has as many")]
pub fn path_rename(
    host: &mut Host,
    memory: &mut Memory<'_>,
    old_fd: u32,
    old: u32,
    old_length: u32,
    fd: u32,
    path: u32,
    length: u32,
) -> Result {
    let from = host.descriptors.directory(old_fd)?;
    let directory = host.descriptors.directory(fd)?;
    let (old, path) = (memory.path(old, old_length)?, memory.path(path, length)?);
    Ok(nix::fcntl::renameat(&from.fd, old, &directory.fd, path)?)
}

pub fn path_symlink(
    host: &mut Host,
    memory: &mut Memory<'_>,
    target: u32,
    target_length: u32,
    fd: u32,
    path: u32,
    length: u32,
) -> Result {
    let directory = host.descriptors.directory(fd)?;
    let target = memory.path(target, target_length)?;
    Ok(symlinkat(
        target,
        &directory.fd,
        memory.path(path, length)?,
    )?)
}

pub fn path_unlink_file(
    host: &mut Host,
    memory: &mut Memory<'_>,
    fd: u32,
    path: u32,
    length: u32,
) -> Result {
    let directory = host.descriptors.directory(fd)?;
    let path = memory.path(path, length)?;
    Ok(unlinkat(&directory.fd, path, UnlinkatFlags::NoRemoveDir)?)
}
