//! A layer as a list: what it says of each path, with contents as streams, without making any file.

use std::ffi::OsString;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use stromatekt_kernel::Timestamp;

use super::{CHUNK, name};
use crate::error::{Error, Result};
use crate::tar::{Chunk, Kind, Member, Streamed, TarReader};

/// How many zeros of sparse files a layer may leave out: who reads contents reads them all.
const MAX_HOLES: u64 = 64 << 30;

/// What a layer says of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerEntry {
    /// The path, relative to the root and without `.` and `..`; symbolic links in it are as the layer has them.
    pub path: PathBuf,
    /// What is, or is no more, at the path.
    pub change: LayerChange,
}

/// What a layer has at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerChange {
    /// An entry.
    Entry(EntryKind, EntryMetadata),
    /// Nothing: what lower layers have there is gone (layer.md, "Whiteouts").
    Whiteout,
    /// A directory in which nothing of lower layers is left (layer.md, "Opaque Whiteout").
    Opaque,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// The length of its content.
        size: u64,
    },
    /// Another name of what stands at a path.
    HardLink(PathBuf),
    /// A symbolic link with its target.
    Symlink(OsString),
    /// A character device with its major and minor number.
    CharDevice(u32, u32),
    /// A block device with its major and minor number.
    BlockDevice(u32, u32),
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
}

/// What an entry has beside its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryMetadata {
    /// Permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When the content was last changed, as it is written.
    pub mtime: Timestamp,
    /// Extended attributes.
    pub xattrs: Vec<(OsString, Vec<u8>)>,
}

/// Reads an uncompressed layer and hands over entry by entry, with a reader of its content, which need not be read.
///
/// Names that no tree can have are refused as [`super::unpack`] refuses them; the root itself and AUFS's own names are left out, as
/// they are there. What follows the end of the archive is not read.
pub fn list_layer<R, E, F>(tar: R, mut visit: F) -> Result<(), E>
where
    R: Read,
    E: From<Error>,
    F: FnMut(LayerEntry, &mut dyn Read) -> Result<(), E>,
{
    let mut reader = TarReader::new(Streamed(BufReader::with_capacity(CHUNK, tar)));
    let mut member = Member::default();
    let mut holes = MAX_HOLES;
    while reader.next(&mut member)? {
        let Some(path) = name::relative(&member)? else {
            continue;
        };
        let parent = || path.parent().map(PathBuf::from).unwrap_or_default();
        let entry = match name::whiteout(&path)? {
            name::Whiteout::Ignored => continue,
            name::Whiteout::Of(gone) => LayerEntry {
                path: parent().join(gone),
                change: LayerChange::Whiteout,
            },
            name::Whiteout::Opaque => LayerEntry {
                path: parent(),
                change: LayerChange::Opaque,
            },
            name::Whiteout::None => LayerEntry {
                change: LayerChange::Entry(kind(&member)?, metadata(&mut member)),
                path,
            },
        };
        let mut content = Content {
            reader: &mut reader,
            hole: 0,
            holes: &mut holes,
        };
        visit(entry, &mut content)?;
    }
    Ok(())
}

fn kind(member: &Member) -> Result<EntryKind> {
    let (major, minor) = member.device;
    Ok(match member.kind {
        Kind::File => EntryKind::File { size: member.size },
        Kind::HardLink => EntryKind::HardLink(name::link_target(member)?),
        Kind::Symlink => EntryKind::Symlink(OsString::from_vec(member.link.clone())),
        Kind::CharDevice => EntryKind::CharDevice(major, minor),
        Kind::BlockDevice => EntryKind::BlockDevice(major, minor),
        Kind::Directory => EntryKind::Directory,
        Kind::Fifo => EntryKind::Fifo,
    })
}

fn metadata(member: &mut Member) -> EntryMetadata {
    EntryMetadata {
        mode: member.mode,
        uid: member.uid,
        gid: member.gid,
        mtime: member.mtime,
        xattrs: std::mem::take(&mut member.xattrs),
    }
}

/// The content of the current entry.
struct Content<'a, R> {
    reader: &'a mut TarReader<Streamed<BufReader<R>>>,
    /// What is left of the zeros that come next.
    hole: u64,
    /// How many more there may be.
    holes: &'a mut u64,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.hole == 0 {
            let length = match self.reader.chunk().map_err(io::Error::other)? {
                Chunk::End => return Ok(0),
                Chunk::Hole(length) => {
                    self.hole = length;
                    *self.holes = self.holes.checked_sub(length).ok_or_else(|| {
                        io::Error::other("the sparse files of the layer are larger than 64 GiB")
                    })?;
                    0
                }
                Chunk::Data(chunk) => {
                    let length = chunk.len().min(buffer.len());
                    buffer[..length].copy_from_slice(&chunk[..length]);
                    length
                }
            };
            if length > 0 {
                self.reader.consume(length);
                return Ok(length);
            }
        }
        let length = usize::try_from(self.hole).unwrap_or(usize::MAX);
        let length = length.min(buffer.len());
        buffer[..length].fill(0);
        self.hole -= length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar::{END, Header, Style, pad};

    fn archive(members: &[(Header<'_>, &[u8])]) -> Vec<u8> {
        let mut tar = Vec::new();
        for (header, content) in members {
            header.encode(Style::Pax, &mut tar);
            tar.extend_from_slice(content);
            tar.extend_from_slice(&END[..pad(content.len() as u64)]);
        }
        tar.extend_from_slice(&END);
        tar
    }

    #[test]
    fn entries_whiteouts_and_contents_are_told_in_order() {
        let hard = Header {
            kind: Kind::HardLink,
            link: b"/d/../d/f",
            ..Header::file(b"d/l", 0o644, 0)
        };
        let tar = archive(&[
            (Header::directory(b"./", 0o755), b""),
            (Header::directory(b"d/", 0o700), b""),
            (Header::file(b"d/.wh..wh..opq", 0, 0), b""),
            (Header::file(b"d/f", 0o4755, 5), b"hello"),
            (hard, b""),
            (Header::file(b"d/skipped", 0o644, 3), b"abc"),
            (Header::file(b".wh.gone", 0, 0), b""),
            (Header::file(b".wh..wh.plnk", 0, 0), b""),
        ]);
        let mut told = Vec::new();
        list_layer::<_, Error, _>(&tar[..], |entry, content| {
            let mut text = String::new();
            if !entry.path.ends_with("skipped") {
                content.read_to_string(&mut text).unwrap();
            }
            let what = match entry.change {
                LayerChange::Entry(kind, metadata) => format!("{kind:?} {:o}", metadata.mode),
                other => format!("{other:?}"),
            };
            told.push(format!("{} {what} {text}", entry.path.display()));
            Ok(())
        })
        .unwrap();
        assert_eq!(
            told,
            [
                "d Directory 700 ",
                "d Opaque ",
                "d/f File { size: 5 } 4755 hello",
                "d/l HardLink(\"d/f\") 644 ",
                "d/skipped File { size: 3 } 644 ",
                "gone Whiteout ",
            ]
        );
    }

    #[test]
    fn names_that_leave_the_root_are_refused() {
        let tar = archive(&[(Header::file(b"../f", 0o644, 0), b"")]);
        let error = list_layer::<_, Error, _>(&tar[..], |_, _| Ok(())).unwrap_err();
        assert!(matches!(error, Error::LayerEntry { .. }), "{error}");
    }

    #[test]
    fn a_content_that_is_cut_short_is_an_error_of_its_reader() {
        let tar = archive(&[(Header::file(b"f", 0o644, 2000), b"")]);
        let error = list_layer::<_, Error, _>(&tar[..600], |_, content| {
            let read = content.read_to_end(&mut Vec::new());
            assert!(read.unwrap_err().to_string().contains("`f`"));
            Ok(())
        });
        assert!(error.is_err());
    }
}
