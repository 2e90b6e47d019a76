//! Indexing an archive: one pass over the headers.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::DOCKER_MANIFEST;
use super::place::{Archive, Member, Place};
use crate::compress::{Compression, decompress};
use crate::error::{Error, Result};
use crate::layout::{INDEX_FILE, LAYOUT_FILE};
use crate::tar::{self, Kind, Seekable, Streamed, TarReader};

/// The chunk in which a compressed archive is read.
const CHUNK: usize = 256 << 10;

/// Indexes an archive; a compressed one with images in it is decompressed into a temporary file for that.
pub(super) fn archive(path: &Path) -> Result<Place> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    let read = || Error::io("read", path);
    if file.metadata().map_err(read())?.len() == 0 {
        return Err(read()(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "it is empty",
        )));
    }
    let compression = super::detect(&file).map_err(read())?;
    file.rewind().map_err(read())?;
    if compression != Compression::None {
        if !holds_images(&file).map_err(|source| of_archive(path, source))? {
            return Err(Error::NotAnImage {
                path: path.to_owned(),
                reason: format!("the tar in it has neither {LAYOUT_FILE} nor {DOCKER_MANIFEST}"),
            });
        }
        file.rewind().map_err(read())?;
        file = spool(&file).map_err(Error::io("decompress", path))?;
    }
    let members = index(&file).map_err(|source| of_archive(path, source))?;
    Ok(Place::Archive(Archive {
        file: Arc::new(file),
        members,
    }))
}

fn of_archive(path: &Path, source: Error) -> Error {
    Error::Archive {
        path: path.to_owned(),
        source: Box::new(source),
    }
}

/// The members of a tar by their names; the last one of a name counts.
fn index(file: &File) -> Result<HashMap<String, Member>> {
    let seekable = file.try_clone().and_then(Seekable::new);
    let mut reader = TarReader::new(seekable.map_err(Error::stream("read the archive"))?);
    let mut members = HashMap::new();
    let mut member = tar::Member::default();
    while reader.next(&mut member)? {
        let Some(name) = clean(Path::new(""), &member.path) else {
            continue;
        };
        let found = match member.kind {
            Kind::File if !member.is_sparse => Some(Member::File {
                start: member.content,
                size: member.size,
            }),
            Kind::HardLink => clean(Path::new(""), &member.link).map(Member::Link),
            Kind::Symlink => {
                let directory = Path::new(&name).parent().unwrap_or(Path::new(""));
                clean(directory, &member.link).map(Member::Link)
            }
            _ => None,
        };
        match found {
            Some(found) => members.insert(name, found),
            None => members.remove(&name),
        };
    }
    Ok(members)
}

/// Whether a compressed tar is one of images. Stops as soon as that is certain.
fn holds_images(file: &File) -> Result<bool> {
    let unreadable = || Error::stream("read the archive");
    let (_, tar) = decompress(file).map_err(unreadable())?;
    let mut reader = TarReader::new(Streamed(BufReader::with_capacity(CHUNK, tar)));
    let mut member = tar::Member::default();
    let (mut layout, mut index) = (false, false);
    while reader.next(&mut member)? {
        match clean(Path::new(""), &member.path).as_deref() {
            Some(DOCKER_MANIFEST) => return Ok(true),
            Some(LAYOUT_FILE) => layout = true,
            Some(INDEX_FILE) => index = true,
            // `blobs/sha256/HEX` is the longest name there is; the only links are to layers.
            Some(name) => {
                let depth = name.split('/').count();
                let is_odd = match member.kind {
                    Kind::File | Kind::Directory => depth > 3,
                    Kind::Symlink | Kind::HardLink => !name.ends_with(".tar"),
                    Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => true,
                };
                if is_odd {
                    return Ok(false);
                }
            }
            None => {}
        }
        if layout && index {
            return Ok(true);
        }
    }
    Ok(false)
}

fn spool(file: &File) -> io::Result<File> {
    let mut temporary = tempfile::tempfile()?;
    let (_, mut tar) = decompress(file)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = match tar.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        if count == 0 {
            break;
        }
        io::Write::write_all(&mut temporary, &buffer[..count])?;
    }
    temporary.rewind()?;
    Ok(temporary)
}

/// A name without `.` and `..`; nothing for one that leads out of the archive, or is no text.
fn clean(directory: &Path, name: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(name).ok()?;
    let mut path = PathBuf::from(directory);
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if !path.pop() {
                    return None;
                }
            }
            part => path.push(part),
        }
    }
    path.into_os_string()
        .into_string()
        .ok()
        .filter(|name| !name.is_empty())
}
