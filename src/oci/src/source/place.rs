//! Where the files of a source are: in a directory, or in a tar that was indexed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use stromatekt_kernel::Root;
use stromatekt_kernel::beneath::OFlag;

use super::DOCKER_MANIFEST;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::layout::{BLOBS, INDEX_FILE, LAYOUT_FILE};

/// How many links lead from a name to a file at most.
const MAX_LINKS: usize = 8;

#[derive(Debug)]
pub(super) enum Place {
    Directory(PathBuf),
    Archive(Archive),
}

/// A tar whose members are known.
#[derive(Debug)]
pub(super) struct Archive {
    pub file: Arc<File>,
    pub members: HashMap<String, Member>,
}

#[derive(Clone, Debug)]
pub(super) enum Member {
    /// Where the content starts, and how long it is.
    File { start: u64, size: u64 },
    /// The name of another member, as docker before 25 saved a layer twice.
    Link(String),
}

impl Place {
    /// Whether there is a file of this name.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Directory(directory) => directory.join(name).is_file(),
            Self::Archive(archive) => archive.find(name).is_some(),
        }
    }

    /// A file and its length.
    pub fn open(&self, name: &str) -> Result<Option<(Box<dyn Read + Send>, u64)>> {
        match self {
            Self::Directory(directory) => {
                let path = directory.join(name);
                // A layout may keep its blobs elsewhere, by links; but a name that a document of an image tells has to stay
                // beneath the directory.
                let digest = name
                    .strip_prefix(BLOBS)
                    .and_then(|name| name.strip_prefix('/'));
                let is_trusted = [LAYOUT_FILE, INDEX_FILE, DOCKER_MANIFEST].contains(&name)
                    || digest.is_some_and(|hex| Digest::from_hex(hex).is_ok());
                let opened = match is_trusted {
                    true => File::options().read(true).open(&path),
                    false => Root::open(directory).and_then(|root| {
                        root.open_file(name, OFlag::O_RDONLY | OFlag::O_NONBLOCK, 0)
                    }),
                };
                let file = match opened {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                    opened => opened.map_err(Error::io("open", &path))?,
                };
                let metadata = file.metadata().map_err(Error::io("look at", &path))?;
                if !metadata.is_file() {
                    return Err(Error::io("read", &path)(io::Error::other(
                        "it is no regular file",
                    )));
                }
                Ok(Some((Box::new(file), metadata.len())))
            }
            Self::Archive(archive) => Ok(archive.find(name).map(|(start, size)| {
                let range = Range {
                    file: Arc::clone(&archive.file),
                    position: start,
                    end: start + size,
                };
                (Box::new(range) as Box<dyn Read + Send>, size)
            })),
        }
    }
}

impl Archive {
    fn find(&self, name: &str) -> Option<(u64, u64)> {
        let mut name = name;
        for _ in 0..MAX_LINKS {
            match self.members.get(name)? {
                Member::File { start, size } => return Some((*start, *size)),
                Member::Link(target) => name = target,
            }
        }
        None
    }
}

/// A part of a file, read without moving its position.
struct Range {
    file: Arc<File>,
    position: u64,
    end: u64,
}

impl Read for Range {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end - self.position;
        let length = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buffer[..length], self.position)?;
        if count == 0 && length > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive was cut short since it was opened",
            ));
        }
        self.position += count as u64;
        Ok(count)
    }
}
