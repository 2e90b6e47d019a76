//! The send stream of btrfs as typed commands: what the kernel would have a receiver do, to make one subvolume of another.
//!
//! The format is that of `fs/btrfs/send.h` in Linux: a header, then commands of attributes (type, length, value), all little-endian.
//! Commands that only carry data are told as [`Command::Data`], since they say that a file's content changed, and no more.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::btrfs;

const MAGIC: &[u8] = b"btrfs-stream\0";

/// The longest command that is believed; the kernel's buffer is smaller.
const MAX_COMMAND: u32 = 1 << 20;

/// How much the pipe from the kernel holds.
const PIPE_SIZE: i32 = 1 << 20;

/// The numbers of the commands (`enum btrfs_send_cmd`).
mod command {
    pub const SUBVOL: u16 = 1;
    pub const SNAPSHOT: u16 = 2;
    pub const MKFILE: u16 = 3;
    pub const MKDIR: u16 = 4;
    pub const MKNOD: u16 = 5;
    pub const MKFIFO: u16 = 6;
    pub const MKSOCK: u16 = 7;
    pub const SYMLINK: u16 = 8;
    pub const RENAME: u16 = 9;
    pub const LINK: u16 = 10;
    pub const UNLINK: u16 = 11;
    pub const RMDIR: u16 = 12;
    pub const SET_XATTR: u16 = 13;
    pub const REMOVE_XATTR: u16 = 14;
    pub const WRITE: u16 = 15;
    pub const CLONE: u16 = 16;
    pub const TRUNCATE: u16 = 17;
    pub const CHMOD: u16 = 18;
    pub const CHOWN: u16 = 19;
    pub const UTIMES: u16 = 20;
    pub const END: u16 = 21;
    pub const UPDATE_EXTENT: u16 = 22;
    pub const FALLOCATE: u16 = 23;
    pub const FILEATTR: u16 = 24;
    pub const ENCODED_WRITE: u16 = 25;
    pub const ENABLE_VERITY: u16 = 26;
}

/// The numbers of the attributes (`BTRFS_SEND_A_…`).
mod attribute {
    pub const PATH: u16 = 15;
    pub const PATH_TO: u16 = 16;
    pub const PATH_LINK: u16 = 17;
    pub const DATA: u16 = 19;
}

/// What a receiver is to do. Paths are relative to the root directory of the subvolume, and those of that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make a directory.
    MakeDirectory {
        /// Its path.
        path: PathBuf,
    },
    /// Make something else: a file, a symbolic link, a special file.
    Make {
        /// Its path.
        path: PathBuf,
    },
    /// Move an entry, with all that is in it.
    Rename {
        /// Where it is.
        from: PathBuf,
        /// Where it is to be.
        to: PathBuf,
    },
    /// Give a file one more path.
    Link {
        /// A path it has.
        existing: PathBuf,
        /// The new one.
        path: PathBuf,
    },
    /// Remove an entry, be it an empty directory.
    Remove {
        /// Its path.
        path: PathBuf,
    },
    /// Change the content of a file.
    Data {
        /// Its path.
        path: PathBuf,
    },
    /// Change the owner, mode, times or extended attributes of an entry.
    Metadata {
        /// Its path.
        path: PathBuf,
    },
}

/// Why a send stream could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The kernel refused or gave up sending.
    #[error("the kernel does not send it")]
    Send(#[source] io::Error),
    /// The pipe broke.
    #[error("the send stream cannot be read")]
    Read(#[source] io::Error),
    /// The stream ends before its end.
    #[error("the send stream ends early")]
    Truncated,
    /// The stream is not of the known form.
    #[error("the send stream makes no sense: {0}")]
    Malformed(String),
}

/// Reads the commands of a stream one by one.
#[derive(Debug)]
pub struct Reader<R> {
    stream: R,
    version: u32,
    ended: bool,
    buffer: Vec<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads the header of a stream.
    pub fn new(mut stream: R) -> Result<Self, StreamError> {
        let mut header = [0; MAGIC.len() + 4];
        fill(&mut stream, &mut header)?;
        let (magic, version) = header.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(StreamError::Malformed("it is no send stream".to_owned()));
        }
        let version = u32::from_le_bytes(version.try_into().unwrap_or_default());
        if !(1..=3).contains(&version) {
            return Err(StreamError::Malformed(format!(
                "its version is {version}; 1 to 3 are known"
            )));
        }
        Ok(Self {
            stream,
            version,
            ended: false,
            buffer: Vec::new(),
        })
    }

    /// The next command; nothing after the last one.
    pub fn next_command(&mut self) -> Result<Option<Command>, StreamError> {
        while !self.ended {
            let mut header = [0; 10];
            fill(&mut self.stream, &mut header)?;
            let [l0, l1, l2, l3, c0, c1, ..] = header;
            let length = u32::from_le_bytes([l0, l1, l2, l3]);
            let number = u16::from_le_bytes([c0, c1]);
            // The checksum that follows guards streams kept in files; this one comes from the kernel.
            if length > MAX_COMMAND {
                return Err(StreamError::Malformed(format!(
                    "a command of {length} bytes"
                )));
            }
            self.buffer.resize(length as usize, 0);
            fill(&mut self.stream, &mut self.buffer)?;
            let attributes = Attributes::parse(&self.buffer, self.version)?;
            match number {
                command::END => self.ended = true,
                // They name the subvolume that a receiver would make.
                command::SUBVOL | command::SNAPSHOT => {}
                number => return attributes.command(number).map(Some),
            }
        }
        Ok(None)
    }
}

/// The attributes of a command that say which entry it is about.
#[derive(Default)]
struct Attributes<'a> {
    path: Option<&'a [u8]>,
    path_to: Option<&'a [u8]>,
    path_link: Option<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    fn parse(mut rest: &'a [u8], version: u32) -> Result<Self, StreamError> {
        let short = || StreamError::Malformed("an attribute is longer than its command".to_owned());
        let mut attributes = Self::default();
        while !rest.is_empty() {
            let (number, after) = rest.split_first_chunk::<2>().ok_or_else(short)?;
            let number = u16::from_le_bytes(*number);
            // From version 2 on, data has no length and takes what is left.
            if version >= 2 && number == attribute::DATA {
                break;
            }
            let (length, after) = after.split_first_chunk::<2>().ok_or_else(short)?;
            let length = usize::from(u16::from_le_bytes(*length));
            let (value, after) = after.split_at_checked(length).ok_or_else(short)?;
            rest = after;
            match number {
                attribute::PATH => attributes.path = Some(value),
                attribute::PATH_TO => attributes.path_to = Some(value),
                attribute::PATH_LINK => attributes.path_link = Some(value),
                _ => {}
            }
        }
        Ok(attributes)
    }

    fn command(&self, number: u16) -> Result<Command, StreamError> {
        let path = relative(self.path, number)?;
        Ok(match number {
            command::MKDIR => Command::MakeDirectory { path },
            command::MKFILE
            | command::MKNOD
            | command::MKFIFO
            | command::MKSOCK
            | command::SYMLINK => Command::Make { path },
            command::RENAME => Command::Rename {
                from: path,
                to: relative(self.path_to, number)?,
            },
            command::LINK => Command::Link {
                existing: relative(self.path_link, number)?,
                path,
            },
            command::UNLINK | command::RMDIR => Command::Remove { path },
            command::WRITE
            | command::CLONE
            | command::TRUNCATE
            | command::UPDATE_EXTENT
            | command::FALLOCATE
            | command::ENCODED_WRITE => Command::Data { path },
            command::SET_XATTR
            | command::REMOVE_XATTR
            | command::CHMOD
            | command::CHOWN
            | command::UTIMES
            | command::FILEATTR
            | command::ENABLE_VERITY => Command::Metadata { path },
            number => {
                return Err(StreamError::Malformed(format!(
                    "command {number} is not known"
                )));
            }
        })
    }
}

/// A path attribute that leads nowhere but into the subvolume.
fn relative(path: Option<&[u8]>, number: u16) -> Result<PathBuf, StreamError> {
    let path = path.ok_or_else(|| {
        StreamError::Malformed(format!("command {number} lacks one of its paths"))
    })?;
    let odd = |name: &[u8]| matches!(name, b"" | b"." | b"..") || name.contains(&0);
    if !path.is_empty() && path.split(|&byte| byte == b'/').any(odd) {
        let path = OsStr::from_bytes(path).to_string_lossy();
        return Err(StreamError::Malformed(format!("a path is `{path}`")));
    }
    Ok(PathBuf::from(OsString::from_vec(path.to_vec())))
}

fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> Result<(), StreamError> {
    stream
        .read_exact(buffer)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => StreamError::Truncated,
            _ => StreamError::Read(error),
        })
}

/// Has the kernel compare two read-only subvolumes, and gives each command of the stream to `consume`.
///
/// `subvolume` is open at its root directory; `parent` is the number of the subvolume that it is compared with.
pub fn compare<E: From<StreamError>>(
    subvolume: impl AsFd,
    parent: u64,
    mut consume: impl FnMut(Command) -> Result<(), E>,
) -> Result<(), E> {
    let subvolume = subvolume.as_fd();
    let (from, to) = io::pipe().map_err(StreamError::Read)?;
    // Only for speed: a process may have used up what the user may have of pipes.
    let _ = nix::fcntl::fcntl(&to, nix::fcntl::FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || {
            // The writing end closes as soon as all is sent, or the reader would wait forever.
            let to = to;
            btrfs::send_without_data(subvolume, Some(parent), &to)
        });
        // The reading end closes at an error, so that the kernel stops sending.
        let consumed = (|| -> Result<(), E> {
            let from = File::from(std::os::fd::OwnedFd::from(from));
            let mut reader = Reader::new(BufReader::with_capacity(256 << 10, from))?;
            while let Some(command) = reader.next_command()? {
                consume(command)?;
            }
            Ok(())
        })();
        match sender.join() {
            // Why the kernel gave up says more than that its stream is short; unless the reader was the one who gave up.
            Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(StreamError::Send(error).into())
            }
            _ => consumed,
        }
    })
}
