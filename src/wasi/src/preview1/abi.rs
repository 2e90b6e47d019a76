//! Error numbers, file types, and the memory that arguments point into.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How many buffers one call may name: as many as the kernel takes (`IOV_MAX`).
const MAX_BUFFERS: u32 = 1024;

/// How long a path may be: what the kernel takes (`PATH_MAX`) but for the NUL at its end.
const MAX_PATH: u32 = 4095;

macro_rules! errors {
    ($($name:ident = $number:literal, $unix:ident;)*) => {
        /// An error number of WASI.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Errno {
            $($name = $number,)*
        }

        impl From<nix::errno::Errno> for Errno {
            fn from(errno: nix::errno::Errno) -> Self {
                match errno {
                    $(nix::errno::Errno::$unix => Self::$name,)*
                    _ => Self::Io,
                }
            }
        }
    };
}

errors! {
    TooBig = 1, E2BIG;
    Access = 2, EACCES;
    Again = 6, EAGAIN;
    BadDescriptor = 8, EBADF;
    Busy = 10, EBUSY;
    Quota = 19, EDQUOT;
    Exists = 20, EEXIST;
    Fault = 21, EFAULT;
    FileTooBig = 22, EFBIG;
    Interrupted = 27, EINTR;
    Invalid = 28, EINVAL;
    Io = 29, EIO;
    IsDirectory = 31, EISDIR;
    Loop = 32, ELOOP;
    TooManyOpen = 33, EMFILE;
    TooManyLinks = 34, EMLINK;
    NameTooLong = 37, ENAMETOOLONG;
    TooManyOpenInAll = 41, ENFILE;
    NoDevice = 43, ENODEV;
    NoEntry = 44, ENOENT;
    NoMemory = 48, ENOMEM;
    NoSpace = 51, ENOSPC;
    NotDirectory = 54, ENOTDIR;
    NotEmpty = 55, ENOTEMPTY;
    NotSocket = 57, ENOTSOCK;
    NotSupported = 58, ENOTSUP;
    NoDeviceThere = 60, ENXIO;
    Overflow = 61, EOVERFLOW;
    NotPermitted = 63, EPERM;
    ReadOnly = 69, EROFS;
    NotSeekable = 70, ESPIPE;
    Stale = 72, ESTALE;
    TextBusy = 74, ETXTBSY;
    OtherDevice = 75, EXDEV;
}

impl From<io::Error> for Errno {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => nix::errno::Errno::from_raw(number).into(),
            None if error.kind() == io::ErrorKind::InvalidInput => Self::Invalid,
            None => Self::Io,
        }
    }
}

/// A file type of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// Also a named pipe, for which there is no number, and the streams, which are no terminals.
    Unknown = 0,
    BlockDevice = 1,
    CharDevice = 2,
    Directory = 3,
    File = 4,
    Socket = 6,
    Symlink = 7,
}

/// The memory of a module. What points out of it is an error.
pub struct Memory<'a>(pub &'a mut [u8]);

impl Memory<'_> {
    /// A buffer to read.
    pub fn bytes(&self, pointer: u32, length: u32) -> Result<&[u8], Errno> {
        let end = (pointer as usize).checked_add(length as usize);
        end.and_then(|end| self.0.get(pointer as usize..end))
            .ok_or(Errno::Fault)
    }

    /// A buffer to write.
    pub fn bytes_mut(&mut self, pointer: u32, length: u32) -> Result<&mut [u8], Errno> {
        let end = (pointer as usize).checked_add(length as usize);
        end.and_then(|end| self.0.get_mut(pointer as usize..end))
            .ok_or(Errno::Fault)
    }

    /// A path.
    pub fn path(&self, pointer: u32, length: u32) -> Result<&Path, Errno> {
        let bytes = self.bytes(pointer, length)?;
        // Before anything so long is copied.
        if length > MAX_PATH {
            return Err(Errno::NameTooLong);
        }
        if bytes.contains(&0) {
            return Err(Errno::Invalid);
        }
        Ok(Path::new(OsStr::from_bytes(bytes)))
    }

    /// The buffers of a list of them (`iovec`): each with where it is and how long.
    pub fn buffers(&self, list: u32, count: u32) -> Result<Vec<(u32, u32)>, Errno> {
        if count > MAX_BUFFERS {
            return Err(Errno::Invalid);
        }
        let list = self.bytes(list, count * 8)?;
        Ok(list
            .chunks_exact(8)
            .map(|buffer| (read_u32(buffer, 0), read_u32(buffer, 4)))
            .collect())
    }

    /// Writes a number there.
    pub fn put_u32(&mut self, pointer: u32, number: u32) -> Result<(), Errno> {
        self.put(pointer, &number.to_le_bytes())
    }

    /// Writes a number there.
    pub fn put_u64(&mut self, pointer: u32, number: u64) -> Result<(), Errno> {
        self.put(pointer, &number.to_le_bytes())
    }

    /// Writes bytes there.
    pub fn put(&mut self, pointer: u32, bytes: &[u8]) -> Result<(), Errno> {
        let length = u32::try_from(bytes.len()).map_err(|_| Errno::Fault)?;
        self.bytes_mut(pointer, length)?.copy_from_slice(bytes);
        Ok(())
    }
}

/// A number of a structure that was read.
pub fn read_u16(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([bytes[offset], bytes[offset + 1]])
}

/// A number of a structure that was read.
pub fn read_u32(bytes: &[u8], offset: usize) -> u32 {
    u32::from(read_u16(bytes, offset)) | u32::from(read_u16(bytes, offset + 2)) << 16
}

/// A number of a structure that was read.
pub fn read_u64(bytes: &[u8], offset: usize) -> u64 {
    u64::from(read_u32(bytes, offset)) | u64::from(read_u32(bytes, offset + 4)) << 32
}
