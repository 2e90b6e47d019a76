//! What a module has open, by number.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use stromatekt_executor::Stream;

use super::abi::Errno;
use super::share::Share;

/// How many descriptors a module may have where its step does not say: what Linux gives a process.
const MAX_OPEN: u64 = 1024;

/// Something open.
#[derive(Debug)]
pub enum Descriptor {
    /// Standard input, which is at its end.
    Input,
    /// One of the streams that are told.
    Output(Stream),
    /// A regular file.
    File(File),
    /// A directory.
    Directory(Directory),
}

/// A directory that paths begin at.
#[derive(Debug)]
pub struct Directory {
    /// It may be open as a mere handle (`O_PATH`).
    pub fd: OwnedFd,
    /// What the module knows it by, if it was open from the beginning.
    pub name: Option<&'static str>,
    /// Its entries, as they were when it was last read from the start.
    pub listing: Listing,
}

/// The entries of a directory.
#[derive(Debug, Default)]
pub struct Listing {
    pub entries: Vec<Entry>,
    /// How much of the module's memory they take.
    pub bytes: u64,
}

/// An entry of a directory, as `fd_readdir` tells it.
#[derive(Debug)]
pub struct Entry {
    pub name: Vec<u8>,
    pub inode: u64,
    pub kind: u8,
}

/// What is open.
#[derive(Debug)]
pub struct Descriptors {
    open: Vec<Option<Slot>>,
    bound: u64,
}

/// A number that is taken.
#[derive(Debug)]
struct Slot {
    descriptor: Descriptor,
    /// Nothing for what was open from the beginning.
    _share: Option<Share>,
}

impl Descriptors {
    /// The three streams, and the tree's root as `/`; before it the working directory as `.`, where that is another one.
    ///
    /// Which path belongs to which of them is for the module's own library to choose. Those of Zig take the first one for relative
    /// paths. wasi-libc, and so Rust's, does not tell `x` from `/x` and takes the last one for both: absolute paths must be right.
    pub fn new(cwd: &str, bound: Option<u64>) -> io::Result<Self> {
        let directory = |path: &Path, name| {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
            let fd = nix::fcntl::open(path, flags, Mode::empty())?;
            Ok::<_, io::Error>(Descriptor::Directory(Directory {
                fd,
                name: Some(name),
                listing: Listing::default(),
            }))
        };
        let mut open = vec![
            Descriptor::Input,
            Descriptor::Output(Stream::Stdout),
            Descriptor::Output(Stream::Stderr),
        ];
        if Path::new(cwd) != Path::new("/") {
            open.push(directory(&Path::new("/").join(cwd), ".")?);
        }
        open.push(directory(Path::new("/"), "/")?);
        let slot = |descriptor| {
            Some(Slot {
                descriptor,
                _share: None,
            })
        };
        Ok(Self {
            open: open.into_iter().map(slot).collect(),
            bound: bound.unwrap_or(MAX_OPEN),
        })
    }

    /// What is open by that number.
    pub fn get(&self, fd: u32) -> Result<&Descriptor, Errno> {
        let slot = self.open.get(fd as usize).and_then(Option::as_ref);
        slot.map(|slot| &slot.descriptor)
            .ok_or(Errno::BadDescriptor)
    }

    /// A regular file.
    pub fn file(&self, fd: u32) -> Result<&File, Errno> {
        match self.get(fd)? {
            Descriptor::File(file) => Ok(file),
            Descriptor::Directory(_) => Err(Errno::IsDirectory),
            Descriptor::Input | Descriptor::Output(_) => Err(Errno::NotSeekable),
        }
    }

    /// A directory.
    pub fn directory(&self, fd: u32) -> Result<&Directory, Errno> {
        match self.get(fd)? {
            Descriptor::Directory(directory) => Ok(directory),
            _ => Err(Errno::NotDirectory),
        }
    }

    /// A directory whose entries are read.
    pub fn directory_mut(&mut self, fd: u32) -> Result<&mut Directory, Errno> {
        let slot = self.open.get_mut(fd as usize).and_then(Option::as_mut);
        match slot.map(|slot| &mut slot.descriptor) {
            Some(Descriptor::Directory(directory)) => Ok(directory),
            Some(_) => Err(Errno::NotDirectory),
            None => Err(Errno::BadDescriptor),
        }
    }

    /// Opens something, and keeps it open by the lowest number that is free.
    pub fn add(
        &mut self,
        open: impl FnOnce(&Self) -> Result<Descriptor, Errno>,
    ) -> Result<u32, Errno> {
        let free = self.open.iter().position(Option::is_none);
        let free = free.unwrap_or(self.open.len());
        let fd = u32::try_from(free).map_err(|_| Errno::TooManyOpen)?;
        if u64::from(fd) >= self.bound {
            return Err(Errno::TooManyOpen);
        }
        // Before it is open: nobody else may be without.
        let share = Share::take()?;
        let slot = Slot {
            descriptor: open(self)?,
            _share: Some(share),
        };
        match self.open.get_mut(free) {
            Some(empty) => *empty = Some(slot),
            None => self.open.push(Some(slot)),
        }
        Ok(fd)
    }

    /// Closes it.
    pub fn close(&mut self, fd: u32) -> Result<Descriptor, Errno> {
        let slot = self.open.get_mut(fd as usize).and_then(Option::take);
        slot.map(|slot| slot.descriptor).ok_or(Errno::BadDescriptor)
    }

    /// Gives it the number of another one that is open, which is closed; nothing where both are one.
    pub fn renumber(&mut self, from: u32, to: u32) -> Result<Option<Descriptor>, Errno> {
        self.get(from)?;
        self.get(to)?;
        if from == to {
            return Ok(None);
        }
        let moved = self.open[from as usize].take();
        let closed = std::mem::replace(&mut self.open[to as usize], moved);
        Ok(closed.map(|slot| slot.descriptor))
    }
}

impl Descriptor {
    /// How much of the module's memory is kept for it.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Directory(directory) => directory.listing.bytes,
            Self::Input | Self::Output(_) | Self::File(_) => 0,
        }
    }
}
