//! Reading a layer: its entries in order, with contents as digests, and small texts.

use std::ffi::OsString;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stromatekt_oci::compress::{Compression, decompress};
use stromatekt_oci::unpack::{EntryKind, EntryMetadata, LayerChange, LayerEntry, list_layer};
use stromatekt_oci::{Digest, HashingReader};

use crate::error::{Error, Result};
use crate::tree::{Content, Node, NodeKind};

/// Texts up to this length are kept, so that it can be told how they differ.
const MAX_TEXT: u64 = 64 << 10;
/// All texts of an image together are not longer than this.
const MAX_TEXTS: u64 = 64 << 20;
/// How many entries an image has at most.
const MAX_ENTRIES: usize = 4_000_000;
/// How many bytes the names, link targets and extended attributes of an image have at most.
const MAX_NAMES: usize = 512 << 20;
/// How many bytes tell the compression.
const MAGIC: u64 = 6;

/// A layer.
#[derive(Debug)]
pub struct Layer {
    pub(crate) diff_id: Digest,
    pub(crate) entries: Vec<Entry>,
}

/// What a layer says of a path.
#[derive(Debug)]
pub(crate) struct Entry {
    pub path: PathBuf,
    pub change: Change,
}

#[derive(Debug)]
pub(crate) enum Change {
    Node(Arc<Node>),
    /// Another name for what stands at a path, which gets this metadata.
    HardLink(PathBuf, EntryMetadata),
    Whiteout,
    Opaque,
}

/// What may still be kept in memory of an image.
#[derive(Debug)]
pub(crate) struct Budget {
    entries: usize,
    names: usize,
    texts: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            entries: MAX_ENTRIES,
            names: MAX_NAMES,
            texts: MAX_TEXTS,
        }
    }
}

impl Budget {
    /// Accounts for an entry with names of this length.
    pub fn entry(&mut self, names: usize) -> Result<()> {
        self.entries = self.entries.checked_sub(1).ok_or(Error::TooLarge {
            limit: "4 million entries",
        })?;
        self.names = self.names.checked_sub(names).ok_or(Error::TooLarge {
            limit: "512 MiB of names and extended attributes",
        })?;
        Ok(())
    }

    fn takes_text(&mut self, size: u64) -> bool {
        match self.texts.checked_sub(size) {
            Some(left) if size <= MAX_TEXT => {
                self.texts = left;
                true
            }
            _ => false,
        }
    }
}

impl Layer {
    /// The digest of the layer's tar.
    #[must_use]
    pub fn diff_id(&self) -> Digest {
        self.diff_id
    }

    /// How many entries it has, whiteouts among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Reads a blob, whose digest and whose tar's digest are verified.
    pub(crate) fn read(
        mut blob: impl Read + Send,
        digest: Digest,
        diff_id: Digest,
        budget: &mut Budget,
    ) -> Result<Self> {
        let mut start = Vec::new();
        blob.by_ref()
            .take(MAGIC)
            .read_to_end(&mut start)
            .map_err(Error::Read)?;
        let compression = Compression::detect(&start);
        let blob = Cursor::new(start).chain(blob);
        let mut entries = Vec::new();
        if compression == Compression::None {
            // The blob is the tar, which is hashed once.
            let found = read_tar(blob, &mut entries, budget)?;
            check("the blob", digest, found)?;
            check("the layer", diff_id, found)?;
        } else {
            let mut blob = HashingReader::new(blob);
            let (_, tar) = decompress(&mut blob).map_err(Error::Read)?;
            let found = read_tar(tar, &mut entries, budget)?;
            drain(&mut blob)?;
            check("the blob", digest, blob.finish().1)?;
            check("the tar in the blob", diff_id, found)?;
        }
        Ok(Self { diff_id, entries })
    }
}

fn check(what: &str, expected: Digest, found: Digest) -> Result<()> {
    match expected == found {
        true => Ok(()),
        false => Err(Error::Image(stromatekt_oci::Error::DigestMismatch {
            what: what.to_owned(),
            expected,
            found,
        })),
    }
}

fn drain(reader: &mut impl Read) -> Result<()> {
    io::copy(reader, &mut io::sink()).map_err(Error::Read)?;
    Ok(())
}

/// Reads all of a tar, also what follows its end; tells its digest.
fn read_tar(tar: impl Read, entries: &mut Vec<Entry>, budget: &mut Budget) -> Result<Digest> {
    let mut tar = HashingReader::new(tar);
    list_layer::<_, Error, _>(&mut tar, |entry, content| {
        entries.push(read_entry(entry, content, budget)?);
        Ok(())
    })?;
    drain(&mut tar)?;
    Ok(tar.finish().1)
}

fn read_entry(entry: LayerEntry, content: &mut dyn Read, budget: &mut Budget) -> Result<Entry> {
    let LayerEntry { path, change } = entry;
    budget.entry(path.as_os_str().len() + weight(&change))?;
    let change = match change {
        LayerChange::Whiteout => Change::Whiteout,
        LayerChange::Opaque => Change::Opaque,
        LayerChange::Entry(EntryKind::HardLink(target), metadata) => {
            Change::HardLink(target, metadata)
        }
        LayerChange::Entry(kind, metadata) => {
            let kind = match kind {
                EntryKind::File { size } => {
                    NodeKind::File(read_content(&path, size, content, budget)?)
                }
                EntryKind::Symlink(target) => NodeKind::Symlink(target),
                EntryKind::CharDevice(major, minor) => NodeKind::CharDevice(major, minor),
                EntryKind::BlockDevice(major, minor) => NodeKind::BlockDevice(major, minor),
                EntryKind::Fifo => NodeKind::Fifo,
                EntryKind::Directory | EntryKind::HardLink(_) => NodeKind::Directory,
            };
            Change::Node(Arc::new(Node::new(kind, metadata)))
        }
    };
    Ok(Entry { path, change })
}

/// How many bytes an entry has beside its path.
fn weight(change: &LayerChange) -> usize {
    let LayerChange::Entry(kind, metadata) = change else {
        return 0;
    };
    let target = match kind {
        EntryKind::HardLink(target) => target.as_os_str().len(),
        EntryKind::Symlink(target) => target.len(),
        _ => 0,
    };
    let xattrs = metadata.xattrs.iter();
    let xattrs: usize = xattrs
        .map(|(name, value): &(OsString, Vec<u8>)| name.len() + value.len())
        .sum();
    target + xattrs
}

fn read_content(
    path: &Path,
    size: u64,
    content: &mut dyn Read,
    budget: &mut Budget,
) -> Result<Content> {
    let failed = |source| Error::Content {
        path: path.to_owned(),
        source,
    };
    let mut content = HashingReader::new(content);
    let mut text = None;
    if budget.takes_text(size) {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes).map_err(failed)?;
        let decoded = String::from_utf8(bytes).ok();
        text = decoded.filter(|text| !text.contains('\0'));
    } else {
        io::copy(&mut content, &mut io::sink()).map_err(failed)?;
    }
    let (_, digest, size) = content.finish();
    Ok(Content { size, digest, text })
}
