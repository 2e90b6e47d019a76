//! What a file is (`filestat`), and its times.

use nix::libc;
use nix::sys::stat::{FileStat, SFlag};
use nix::sys::time::TimeSpec;

use super::Result;
use super::abi::{Errno, FileType, Memory};

/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// `fstflags`.
const SET_ATIME: u32 = 1;
const SET_ATIME_NOW: u32 = 2;
const SET_MTIME: u32 = 4;
const SET_MTIME_NOW: u32 = 8;

/// The type that `st_mode` tells.
pub fn file_type(mode: u32) -> FileType {
    match SFlag::from_bits_truncate(mode & libc::S_IFMT) {
        SFlag::S_IFBLK => FileType::BlockDevice,
        SFlag::S_IFCHR => FileType::CharDevice,
        SFlag::S_IFDIR => FileType::Directory,
        SFlag::S_IFREG => FileType::File,
        SFlag::S_IFSOCK => FileType::Socket,
        SFlag::S_IFLNK => FileType::Symlink,
        _ => FileType::Unknown,
    }
}

/// Writes a `filestat`.
// The widths of these fields differ between architectures.
#[allow(clippy::unnecessary_cast)]
pub fn put_stat(memory: &mut Memory<'_>, pointer: u32, stat: &FileStat) -> Result {
    let fields = [
        stat.st_dev as u64,
        stat.st_ino as u64,
        file_type(stat.st_mode as u32) as u64,
        stat.st_nlink as u64,
        stat.st_size.cast_unsigned(),
        nanoseconds(stat.st_atime, stat.st_atime_nsec),
        nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
        nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
    ];
    Ok(memory.put(pointer, &fields.map(u64::to_le_bytes).concat())?)
}

/// The `filestat` of a stream.
pub fn put_stream_stat(memory: &mut Memory<'_>, pointer: u32) -> Result {
    Ok(memory.put(pointer, &[0; 64])?)
}

/// The times to set, of last access and of last change.
pub fn chosen(atime: u64, mtime: u64, flags: u32) -> Result<(TimeSpec, TimeSpec), Errno> {
    let choose = |time: u64, set: u32, set_now: u32| match (flags & set, flags & set_now) {
        (0, 0) => Ok(TimeSpec::UTIME_OMIT),
        (_, 0) => {
            let time = i64::try_from(time).map_err(|_| Errno::Overflow)?;
            Ok(TimeSpec::new(time / SECOND, time % SECOND))
        }
        (0, _) => Ok(TimeSpec::UTIME_NOW),
        _ => Err(Errno::Invalid),
    };
    Ok((
        choose(atime, SET_ATIME, SET_ATIME_NOW)?,
        choose(mtime, SET_MTIME, SET_MTIME_NOW)?,
    ))
}

/// WASI has no times before 1970.
fn nanoseconds(seconds: i64, nanoseconds: i64) -> u64 {
    let time = seconds.saturating_mul(SECOND).saturating_add(nanoseconds);
    u64::try_from(time).unwrap_or_default()
}
