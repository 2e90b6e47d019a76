//! `fd_*`: what is open.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use nix::dir::{Dir, Type};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{Mode, UtimensatFlags, fstat, futimens, utimensat};
use stromatekt_executor::Stream;

use super::abi::{Errno, FileType, Memory};
use super::descriptors::{Descriptor, Entry, Listing};
use super::paths::DESCRIPTOR_FLAGS;
use super::{Failure, Host, Result, Stopped, rights, times};
use crate::memory::Limiter;

/// How much of what a module writes to a stream is told at once.
const MAX_PIECE: usize = 64 << 10;

/// What comes before the name of an entry (`dirent`).
const ENTRY: usize = 24;

/// What an entry takes here beside its name: a list that grows has room for twice as many, and each name lies apart.
const ENTRY_KEPT: usize = 2 * size_of::<Entry>() + 16;

pub fn fd_advise(
    host: &mut Host,
    _: &mut Memory<'_>,
    fd: u32,
    _offset: u64,
    _length: u64,
    _advice: u32,
) -> Result {
    // Advice may be left.
    host.descriptors.file(fd)?;
    Ok(())
}

pub fn fd_allocate(
    host: &mut Host,
    _: &mut Memory<'_>,
    fd: u32,
    offset: u64,
    length: u64,
) -> Result {
    let (offset, length) = (signed(offset)?, signed(length)?);
    let file = host.descriptors.file(fd)?;
    Ok(nix::fcntl::posix_fallocate(file, offset, length)?)
}

pub fn fd_close(host: &mut Host, _: &mut Memory<'_>, fd: u32) -> Result {
    let closed = host.descriptors.close(fd)?;
    host.memory.give_back(closed.bytes());
    Ok(())
}

/// Also `fd_datasync`. What a step leaves is brought to the disk when its tree is kept; before that it is worth nothing.
pub fn fd_sync(host: &mut Host, _: &mut Memory<'_>, fd: u32) -> Result {
    host.descriptors.get(fd)?;
    Ok(())
}

pub fn fd_fdstat_get(host: &mut Host, memory: &mut Memory<'_>, fd: u32, stat: u32) -> Result {
    let (kind, flags, rights) = match host.descriptors.get(fd)? {
        Descriptor::Input => (FileType::Unknown, 0, rights::STREAM | rights::READ),
        Descriptor::Output(_) => (FileType::Unknown, 0, rights::STREAM | rights::WRITE),
        Descriptor::Directory(_) => (FileType::Directory, 0, rights::DIRECTORY),
        Descriptor::File(file) => {
            let unix = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
            let flags = DESCRIPTOR_FLAGS
                .iter()
                .filter(|(_, flag)| unix.contains(*flag))
                .fold(0, |flags, (flag, _)| flags | flag);
            let rights = match unix & OFlag::O_ACCMODE {
                OFlag::O_RDONLY => rights::FILE & !rights::WRITES,
                OFlag::O_WRONLY => rights::FILE & !rights::READ,
                _ => rights::FILE,
            };
            (FileType::File, flags, rights)
        }
    };
    let mut told = [0; 24];
    told[0] = kind as u8;
    told[2..4].copy_from_slice(&(flags as u16).to_le_bytes());
    // What is opened in a directory can have all that there is.
    let inherited = match kind {
        FileType::Directory => rights::DIRECTORY | rights::FILE,
        _ => rights,
    };
    told[8..16].copy_from_slice(&rights.to_le_bytes());
    told[16..].copy_from_slice(&inherited.to_le_bytes());
    Ok(memory.put(stat, &told)?)
}

pub fn fd_fdstat_set_flags(host: &mut Host, _: &mut Memory<'_>, fd: u32, flags: u32) -> Result {
    const APPEND: u32 = 1;
    const NONBLOCK: u32 = 4;
    if flags & !(APPEND | NONBLOCK) != 0 {
        return Err(Errno::NotSupported.into());
    }
    if let Descriptor::File(file) = host.descriptors.get(fd)? {
        let unix = match flags & APPEND {
            0 => OFlag::O_NONBLOCK,
            _ => OFlag::O_NONBLOCK | OFlag::O_APPEND,
        };
        fcntl(file, FcntlArg::F_SETFL(unix))?;
    }
    Ok(())
}

pub fn fd_fdstat_set_rights(
    host: &mut Host,
    _: &mut Memory<'_>,
    fd: u32,
    _base: u64,
    _inheriting: u64,
) -> Result {
    host.descriptors.get(fd)?;
    Err(Errno::NotSupported.into())
}

pub fn fd_filestat_get(host: &mut Host, memory: &mut Memory<'_>, fd: u32, stat: u32) -> Result {
    let found = match host.descriptors.get(fd)? {
        Descriptor::Input | Descriptor::Output(_) => return times::put_stream_stat(memory, stat),
        Descriptor::File(file) => fstat(file)?,
        Descriptor::Directory(directory) => fstat(&directory.fd)?,
    };
    times::put_stat(memory, stat, &found)
}

pub fn fd_filestat_set_size(host: &mut Host, _: &mut Memory<'_>, fd: u32, size: u64) -> Result {
    signed(size)?;
    Ok(host.descriptors.file(fd)?.set_len(size)?)
}

pub fn fd_filestat_set_times(
    host: &mut Host,
    _: &mut Memory<'_>,
    fd: u32,
    atime: u64,
    mtime: u64,
    flags: u32,
) -> Result {
    let (atime, mtime) = times::chosen(atime, mtime, flags)?;
    match host.descriptors.get(fd)? {
        Descriptor::File(file) => Ok(futimens(file, &atime, &mtime)?),
        // It may be but a handle.
        Descriptor::Directory(directory) => {
            let follow = UtimensatFlags::FollowSymlink;
            Ok(utimensat(&directory.fd, ".", &atime, &mtime, follow)?)
        }
        Descriptor::Input | Descriptor::Output(_) => Err(Errno::Invalid.into()),
    }
}

pub fn fd_prestat_get(host: &mut Host, memory: &mut Memory<'_>, fd: u32, stat: u32) -> Result {
    let name = prestat(host, fd)?;
    // Zero is the kind: a directory.
    Ok(memory.put_u64(stat, (name.len() as u64) << 32)?)
}

pub fn fd_prestat_dir_name(
    host: &mut Host,
    memory: &mut Memory<'_>,
    fd: u32,
    path: u32,
    length: u32,
) -> Result {
    let name = prestat(host, fd)?;
    if (length as usize) < name.len() {
        return Err(Errno::NameTooLong.into());
    }
    Ok(memory.put(path, name.as_bytes())?)
}

/// What a module knows a directory by that is open from the beginning.
fn prestat(host: &Host, fd: u32) -> Result<&'static str, Errno> {
    match host.descriptors.get(fd)? {
        Descriptor::Directory(directory) => directory.name.ok_or(Errno::BadDescriptor),
        _ => Err(Errno::BadDescriptor),
    }
}

pub fn fd_read(
    host: &mut Host,
    memory: &mut Memory<'_>,
    fd: u32,
    list: u32,
    count: u32,
    size: u32,
) -> Result {
    let read = match host.descriptors.get(fd)? {
        Descriptor::Input => 0,
        Descriptor::Output(_) => return Err(Errno::BadDescriptor.into()),
        _ => {
            let mut file = host.descriptors.file(fd)?;
            scatter(memory, list, count, |buffer, _| file.read(buffer))?
        }
    };
    Ok(memory.put_u32(size, read)?)
}

pub fn fd_pread(
    host: &mut Host,
    memory: &mut Memory<'_>,
    fd: u32,
    list: u32,
    count: u32,
    offset: u64,
    size: u32,
) -> Result {
    let file = host.descriptors.file(fd)?;
    let read = scatter(memory, list, count, |buffer, done| {
        file.read_at(buffer, offset.saturating_add(done.into()))
    })?;
    Ok(memory.put_u32(size, read)?)
}

pub fn fd_write(
    host: &mut Host,
    memory: &mut Memory<'_>,
    fd: u32,
    list: u32,
    count: u32,
    size: u32,
) -> Result {
    let written = match host.descriptors.get(fd)? {
        Descriptor::Input => return Err(Errno::BadDescriptor.into()),
        Descriptor::Output(stream) => tell(host, *stream, memory, list, count)?,
        _ => {
            let mut file = host.descriptors.file(fd)?;
            gather(memory, list, count, |buffer, _| file.write(buffer))?
        }
    };
    Ok(memory.put_u32(size, written)?)
}

pub fn fd_pwrite(
    host: &mut Host,
    memory: &mut Memory<'_>,
    fd: u32,
    list: u32,
    count: u32,
    offset: u64,
    size: u32,
) -> Result {
    let file = host.descriptors.file(fd)?;
    let written = gather(memory, list, count, |buffer, done| {
        file.write_at(buffer, offset.saturating_add(done.into()))
    })?;
    Ok(memory.put_u32(size, written)?)
}

/// Hands over what a module writes to a stream: so much of it as makes a piece.
fn tell(host: &Host, stream: Stream, memory: &Memory<'_>, list: u32, count: u32) -> Result<u32> {
    let mut piece = Vec::new();
    for (pointer, length) in memory.buffers(list, count)? {
        let buffer = memory.bytes(pointer, length)?;
        let room = MAX_PIECE - piece.len();
        piece.extend_from_slice(&buffer[..buffer.len().min(room)]);
    }
    let written = u32::try_from(piece.len()).map_err(|_| Errno::Overflow)?;
    if !piece.is_empty() && host.output.blocking_send((stream, piece)).is_err() {
        // Nobody waits for it any more.
        return Err(Failure::End(wasmi::Error::host(Stopped)));
    }
    Ok(written)
}

/// Fills the buffers of a list, one after the other, until one is not filled; tells how many bytes that are.
fn scatter(
    memory: &mut Memory<'_>,
    list: u32,
    count: u32,
    mut read: impl FnMut(&mut [u8], u32) -> io::Result<usize>,
) -> Result<u32> {
    let buffers = memory.buffers(list, count)?;
    transfer(&buffers, |pointer, length, done| {
        Ok(read(memory.bytes_mut(pointer, length)?, done)?)
    })
}

/// Writes the buffers of a list, one after the other, until one is not written whole; tells how many bytes that are.
fn gather(
    memory: &Memory<'_>,
    list: u32,
    count: u32,
    mut write: impl FnMut(&[u8], u32) -> io::Result<usize>,
) -> Result<u32> {
    let buffers = memory.buffers(list, count)?;
    transfer(&buffers, |pointer, length, done| {
        Ok(write(memory.bytes(pointer, length)?, done)?)
    })
}

fn transfer(
    buffers: &[(u32, u32)],
    mut one: impl FnMut(u32, u32, u32) -> Result<usize>,
) -> Result<u32> {
    let mut done: u32 = 0;
    for (pointer, length) in buffers {
        // The sum is told in 32 bits.
        let length = (*length).min(u32::MAX - done);
        match one(*pointer, length, done) {
            Ok(moved) => {
                done += u32::try_from(moved).map_err(|_| Errno::Overflow)?;
                if moved < length as usize {
                    break;
                }
            }
            // What was moved before is to be known.
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

pub fn fd_readdir(
    host: &mut Host,
    memory: &mut Memory<'_>,
    fd: u32,
    buffer: u32,
    length: u32,
    cookie: u64,
    size: u32,
) -> Result {
    let directory = host.descriptors.directory_mut(fd)?;
    if cookie == 0 || directory.listing.entries.is_empty() {
        let old = std::mem::take(&mut directory.listing);
        host.memory.give_back(old.bytes);
        directory.listing = list(&directory.fd, &mut host.memory)?;
    }
    let room = memory.bytes_mut(buffer, length)?;
    let mut filled = 0;
    let skipped = usize::try_from(cookie).unwrap_or(usize::MAX);
    for (index, entry) in directory.listing.entries.iter().enumerate().skip(skipped) {
        let mut told = [0; ENTRY];
        let name_length = u32::try_from(entry.name.len()).map_err(|_| Errno::Overflow)?;
        told[..8].copy_from_slice(&(index as u64 + 1).to_le_bytes());
        told[8..16].copy_from_slice(&entry.inode.to_le_bytes());
        told[16..20].copy_from_slice(&name_length.to_le_bytes());
        told[20] = entry.kind;
        for part in [&told[..], &entry.name] {
            // An entry that does not fit is cut off, by which the module sees that there are more.
            let part = &part[..part.len().min(room.len() - filled)];
            room[filled..filled + part.len()].copy_from_slice(part);
            filled += part.len();
        }
        if filled == room.len() {
            break;
        }
    }
    let filled = u32::try_from(filled).map_err(|_| Errno::Overflow)?;
    Ok(memory.put_u32(size, filled)?)
}

/// The entries of a directory, by name: a module sees them in the same order whenever it runs. They take memory of the module's.
fn list(directory: impl AsFd, memory: &mut Limiter) -> Result<Listing> {
    let mut listing = Listing::default();
    if let Err(failure) = read_entries(directory, memory, &mut listing) {
        memory.give_back(listing.bytes);
        return Err(failure);
    }
    let entries = &mut listing.entries;
    entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Ok(listing)
}

fn read_entries(directory: impl AsFd, memory: &mut Limiter, listing: &mut Listing) -> Result {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut opened = Dir::openat(directory, ".", flags, Mode::empty())?;
    for entry in opened.iter() {
        let entry = entry?;
        let kind = match entry.file_type() {
            Some(Type::BlockDevice) => FileType::BlockDevice,
            Some(Type::CharacterDevice) => FileType::CharDevice,
            Some(Type::Directory) => FileType::Directory,
            Some(Type::File) => FileType::File,
            Some(Type::Socket) => FileType::Socket,
            Some(Type::Symlink) => FileType::Symlink,
            Some(Type::Fifo) | None => FileType::Unknown,
        };
        let name = entry.file_name().to_bytes();
        let bytes = (ENTRY_KEPT + name.len()) as u64;
        if !memory.take(bytes) {
            return Err(Errno::NoMemory.into());
        }
        listing.bytes += bytes;
        listing.entries.push(Entry {
            name: name.to_vec(),
            inode: entry.ino(),
            kind: kind as u8,
        });
    }
    Ok(())
}

pub fn fd_renumber(host: &mut Host, _: &mut Memory<'_>, from: u32, to: u32) -> Result {
    let closed = host.descriptors.renumber(from, to)?;
    host.memory
        .give_back(closed.map_or(0, |closed| closed.bytes()));
    Ok(())
}

pub fn fd_seek(
    host: &mut Host,
    memory: &mut Memory<'_>,
    fd: u32,
    offset: i64,
    whence: u32,
    position: u32,
) -> Result {
    let target = match whence {
        0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Invalid)?),
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        _ => return Err(Errno::Invalid.into()),
    };
    let mut file = host.descriptors.file(fd)?;
    let found = file.seek(target)?;
    Ok(memory.put_u64(position, found)?)
}

pub fn fd_tell(host: &mut Host, memory: &mut Memory<'_>, fd: u32, position: u32) -> Result {
    let mut file = host.descriptors.file(fd)?;
    let found = file.stream_position()?;
    Ok(memory.put_u64(position, found)?)
}

/// The kernel has offsets with a sign.
fn signed(number: u64) -> Result<i64, Errno> {
    i64::try_from(number).map_err(|_| Errno::FileTooBig)
}
