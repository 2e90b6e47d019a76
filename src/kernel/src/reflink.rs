//! Copies of file contents that share what the file system can share.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::copy_file_range;

mod ioctl {
    // linux/fs.h: FICLONE takes the source's descriptor as its argument.
    nix::ioctl_write_int_bad!(
        ficlone,
        nix::request_code_write!(0x94, 9, size_of::<libc::c_int>())
    );
}

/// How a file came to its second place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// The two share their blocks until one is written.
    Reflink,
    /// The two are one file.
    HardLink,
    /// The two share nothing.
    Copy,
}

/// Makes `to` share all of the content of `from`, if the file system can: `EOPNOTSUPP`, `EXDEV` and `EINVAL` say that it cannot.
pub fn clone_file(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    let (from, to) = (from.as_fd().as_raw_fd(), to.as_fd().as_raw_fd());
    // SAFETY: both descriptors are open through the call, which touches no memory.
    unsafe { ioctl::ficlone(to, from) }?;
    Ok(())
}

/// Copies up to `length` bytes from the position of `from` to the position of `to`, moving both; in the kernel where it can.
///
/// Tells how many bytes there were: fewer than `length` only at the end of `from`.
pub fn copy_range(from: &File, to: &File, length: u64) -> io::Result<u64> {
    let mut copied = 0;
    while copied < length {
        let chunk = usize::try_from(length - copied)
            .unwrap_or(usize::MAX)
            .min(1 << 30);
        match copy_file_range(from, None, to, None, chunk) {
            // Files of /proc and the like claim to be empty and say so here too.
            Ok(0) if copied == 0 => return copy_by_hand(from, to, length),
            Ok(0) => break,
            Ok(count) => copied += count as u64,
            Err(Errno::EINTR) => {}
            Err(
                Errno::EXDEV | Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EPERM,
            ) => {
                return Ok(copied + copy_by_hand(from, to, length - copied)?);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(copied)
}

fn copy_by_hand(mut from: &File, mut to: &File, length: u64) -> io::Result<u64> {
    let mut buffer = vec![0; 128 << 10];
    let mut copied = 0;
    while copied < length {
        let chunk = usize::try_from(length - copied)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        match from.read(&mut buffer[..chunk]) {
            Ok(0) => break,
            Ok(count) => {
                to.write_all(&buffer[..count])?;
                copied += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(copied)
}

/// Gives the new, empty file `to` the content of `from`, shared if the file system can.
pub fn clone_or_copy(from: &File, to: &File) -> io::Result<Shared> {
    if clone_file(from, to).is_ok() {
        return Ok(Shared::Reflink);
    }
    copy_range(from, to, u64::MAX)?;
    Ok(Shared::Copy)
}

/// Makes `to`, which must not exist, a file with the content of `from`: by sharing its blocks, else as a second name of it, else by
/// copying. For files that are never written again.
pub fn link_or_clone(from: &Path, to: &Path) -> io::Result<Shared> {
    let source = File::open(from)?;
    let target = File::options().write(true).create_new(true).open(to)?;
    let shared = if clone_file(&source, &target).is_ok() {
        Shared::Reflink
    } else {
        std::fs::remove_file(to)?;
        if std::fs::hard_link(from, to).is_ok() {
            return Ok(Shared::HardLink);
        }
        let target = File::options().write(true).create_new(true).open(to)?;
        if let Err(error) = copy_range(&source, &target, u64::MAX) {
            let _ = std::fs::remove_file(to);
            return Err(error);
        }
        Shared::Copy
    };
    Ok(shared)
}
