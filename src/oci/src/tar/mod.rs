//! Tar streams (POSIX.1-2017 `pax`, "ustar Interchange Format" and "pax Interchange Format"), as far as layers use them.
//!
//! Bytes go by Go's `archive/tar`, by which docker and containerd read and write: what it accepts is accepted, what it writes for
//! an entry is written. So equal layers have equal digests, whoever packs them.

mod input;
mod number;
mod pax;
mod read;
mod sparse;
mod write;

pub(crate) use input::{Seekable, Streamed};
pub(crate) use read::{Chunk, TarReader};
pub(crate) use write::{Header, Style, pad};

use std::ffi::OsString;

use stromatekt_kernel::Timestamp;

/// Headers and contents start at multiples of this.
pub(crate) const BLOCK: usize = 512;
/// Two empty blocks end an archive.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];
/// PAX records and long names are not longer than this, as in Go: they are held in memory.
const MAX_SPECIAL: u64 = 1 << 20;
/// The prefix of PAX records that hold extended attributes.
const XATTR: &str = "SCHILY.xattr.";

/// Where the fields of a header stand.
mod field {
    use std::ops::Range;

    pub const NAME: Range<usize> = 0..100;
    pub const MODE: Range<usize> = 100..108;
    pub const UID: Range<usize> = 108..116;
    pub const GID: Range<usize> = 116..124;
    pub const SIZE: Range<usize> = 124..136;
    pub const MTIME: Range<usize> = 136..148;
    pub const CHECKSUM: Range<usize> = 148..156;
    pub const TYPE: usize = 156;
    pub const LINK: Range<usize> = 157..257;
    pub const MAGIC: Range<usize> = 257..265;
    pub const MAJOR: Range<usize> = 329..337;
    pub const MINOR: Range<usize> = 337..345;
    pub const PREFIX: Range<usize> = 345..500;
}

/// The magic of ustar and PAX archives, with the version.
const USTAR: &[u8; 8] = b"ustar\x0000";

/// What an entry of an archive is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    File,
    HardLink,
    Symlink,
    CharDevice,
    BlockDevice,
    Directory,
    Fifo,
}

impl Kind {
    fn flag(self) -> u8 {
        match self {
            Self::File => b'0',
            Self::HardLink => b'1',
            Self::Symlink => b'2',
            Self::CharDevice => b'3',
            Self::BlockDevice => b'4',
            Self::Directory => b'5',
            Self::Fifo => b'6',
        }
    }
}

/// An entry that was read: the header with its extensions applied.
#[derive(Debug)]
pub(crate) struct Member {
    /// The name as it is written.
    pub path: Vec<u8>,
    /// The target of a link as it is written.
    pub link: Vec<u8>,
    pub kind: Kind,
    /// Permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// The length of the content.
    pub size: u64,
    pub mtime: Timestamp,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    pub xattrs: Vec<(OsString, Vec<u8>)>,
    /// Where in the archive the content starts.
    pub content: u64,
    /// Whether the archive has not all of the content, for parts of it are zeros.
    pub is_sparse: bool,
}

impl Default for Member {
    fn default() -> Self {
        Self {
            path: Vec::new(),
            link: Vec::new(),
            kind: Kind::File,
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: Timestamp::from_seconds(0),
            device: (0, 0),
            xattrs: Vec::new(),
            content: 0,
            is_sparse: false,
        }
    }
}
