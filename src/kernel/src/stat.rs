//! What the kernel knows of a file: its kind, mode, owner, times.

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl FileKind {
    /// The kind that `st_mode` tells.
    pub(crate) fn of_mode(mode: u32) -> Self {
        match mode & libc::S_IFMT {
            libc::S_IFDIR => Self::Directory,
            libc::S_IFLNK => Self::Symlink,
            libc::S_IFCHR => Self::CharDevice,
            libc::S_IFBLK => Self::BlockDevice,
            libc::S_IFIFO => Self::Fifo,
            libc::S_IFSOCK => Self::Socket,
            _ => Self::File,
        }
    }
}

/// A point in time as file systems keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since the epoch, rounded down.
    pub seconds: i64,
    /// What is missing: 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// The start of this second.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Self {
        Self {
            seconds,
            nanoseconds: 0,
        }
    }
}

/// What `stat` tells of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: FileKind,
    /// The permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
    /// The length in bytes; of a symbolic link, its target's.
    pub size: u64,
    /// When its content changed last.
    pub mtime: Timestamp,
    /// When it or its metadata changed last.
    pub ctime: Timestamp,
    /// The device that a device node stands for.
    pub rdev: u64,
    /// How many names it has.
    pub nlink: u64,
    /// Its inode number.
    pub ino: u64,
    /// The device that it lives on.
    pub dev: u64,
}

impl Stat {
    /// Whether it is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind == FileKind::Directory
    }

    /// The major number of a device node.
    #[must_use]
    pub fn rdev_major(&self) -> u32 {
        libc::major(self.rdev)
    }

    /// The minor number of a device node.
    #[must_use]
    pub fn rdev_minor(&self) -> u32 {
        libc::minor(self.rdev)
    }
}

impl From<libc::stat> for Stat {
    // The widths of these fields differ between architectures.
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        clippy::cast_possible_truncation
    )]
    fn from(raw: libc::stat) -> Self {
        Self {
            kind: FileKind::of_mode(raw.st_mode),
            mode: raw.st_mode & 0o7777,
            uid: raw.st_uid,
            gid: raw.st_gid,
            size: raw.st_size as u64,
            mtime: Timestamp {
                seconds: raw.st_mtime,
                nanoseconds: raw.st_mtime_nsec as u32,
            },
            ctime: Timestamp {
                seconds: raw.st_ctime,
                nanoseconds: raw.st_ctime_nsec as u32,
            },
            rdev: raw.st_rdev as u64,
            nlink: raw.st_nlink as u64,
            ino: raw.st_ino as u64,
            dev: raw.st_dev as u64,
        }
    }
}
