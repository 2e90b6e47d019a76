//! Reading an archive entry by entry, with the offset of whatever is wrong with it.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use stromatekt_kernel::Timestamp;

use super::input::{Input, fill};
use super::number::{decimal, number, text, time};
use super::sparse::{self, Next, Sparse};
use super::{BLOCK, Kind, MAX_SPECIAL, Member, USTAR, XATTR, field, pad, pax};
use crate::error::{Error, Result};

/// A reader of the entries of an archive.
pub(crate) struct TarReader<I> {
    input: I,
    /// How much was read.
    offset: u64,
    /// What was not read yet of the content of the entry.
    left: u64,
    /// The empty bytes that follow the content.
    padding: usize,
    /// The name of the entry, for errors.
    name: Vec<u8>,
    /// Where the content belongs, if it is not all of the file.
    sparse: Option<Sparse>,
}

/// A piece of a content.
#[derive(Debug)]
pub(crate) enum Chunk<'a> {
    /// Bytes, to be consumed. Never empty.
    Data(&'a [u8]),
    /// That many zeros, which are not stored.
    Hole(u64),
    /// All was read.
    End,
}

/// What extension headers say of the entry that follows.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// GNU's long names come first, wherever they stand.
    gnu_path: Option<Vec<u8>>,
    gnu_link: Option<Vec<u8>>,
    uid: Option<u64>,
    gid: Option<u64>,
    size: Option<u64>,
    mtime: Option<Timestamp>,
    xattrs: Vec<(OsString, Vec<u8>)>,
    sparse: sparse::Records,
}

impl<I: Input> TarReader<I> {
    /// Reads an archive from its start.
    pub fn new(input: I) -> Self {
        Self {
            input,
            offset: 0,
            left: 0,
            padding: 0,
            name: Vec::new(),
            sparse: None,
        }
    }

    /// Reads the next entry into `member`, after passing over what is left of the one before. False at the end.
    ///
    /// The end is what Go takes for it: two empty blocks, or no more bytes where a header might stand.
    pub fn next(&mut self, member: &mut Member) -> Result<bool> {
        self.skip_content()?;
        let mut extensions = Extensions::default();
        let mut extended = false;
        loop {
            let start = self.offset;
            let mut block = [0; BLOCK];
            match self.read_block(&mut block)? {
                0 if extended => return Err(self.cut_short("an extended header nothing follows")),
                0 => return Ok(false),
                BLOCK => {}
                _ => return Err(self.cut_short("a header")),
            }
            if block == [0; BLOCK] {
                return match self.read_block(&mut block)? {
                    BLOCK if block != [0; BLOCK] => {
                        Err(broken(start, "an empty block stands between entries"))
                    }
                    _ if extended => Err(broken(start, "nothing follows an extended header")),
                    _ => Ok(false),
                };
            }
            check(&block, start)?;
            let size = number(&block[field::SIZE]).and_then(|size| u64::try_from(size).ok());
            let size = size.ok_or_else(|| broken(start, "its size is no number"))?;
            match block[field::TYPE] {
                b'x' => self.records(size, start, &mut extensions)?,
                // An entry to Go, of which docker and containerd take no notice: what stood before it is about it, not about the next one.
                b'g' => {
                    pairs(&self.special(size, start)?, start)?;
                    extensions = Extensions::default();
                    extended = false;
                    continue;
                }
                b'L' => extensions.gnu_path = Some(text(&self.special(size, start)?).to_vec()),
                b'K' => extensions.gnu_link = Some(text(&self.special(size, start)?).to_vec()),
                flag => {
                    self.member(&block, flag, start, size, extensions, member)?;
                    return Ok(true);
                }
            }
            extended = true;
        }
    }

    /// The next piece of the content.
    pub fn chunk(&mut self) -> Result<Chunk<'_>> {
        let most = match &mut self.sparse {
            None => self.left,
            Some(sparse) => match sparse.next() {
                Next::Data(length) => length.min(self.left),
                Next::Hole(length) => {
                    sparse.advance(length);
                    return Ok(Chunk::Hole(length));
                }
                Next::End => return Ok(Chunk::End),
            },
        };
        if most == 0 {
            return Ok(Chunk::End);
        }
        if fill(&mut self.input).map_err(unreadable)?.is_empty() {
            return Err(self.cut_short_content());
        }
        let chunk = self.input.fill_buf().map_err(unreadable)?;
        let length = chunk.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(Chunk::Data(&chunk[..length]))
    }

    /// Marks bytes of the last chunk as read.
    pub fn consume(&mut self, amount: usize) {
        self.input.consume(amount);
        self.offset += amount as u64;
        self.left = self.left.saturating_sub(amount as u64);
        if let Some(sparse) = &mut self.sparse {
            sparse.advance(amount as u64);
        }
    }

    fn skip_content(&mut self) -> Result<()> {
        self.sparse = None;
        let skipped = self.input.skip(self.left).map_err(unreadable)?;
        self.offset += skipped;
        self.left -= skipped;
        if self.left > 0 {
            return Err(self.cut_short_content());
        }
        // Padding that the end of the archive cuts is not missed.
        self.offset += self.input.skip(self.padding as u64).map_err(unreadable)?;
        self.padding = 0;
        Ok(())
    }

    /// Fills the block; tells how far.
    fn read_block(&mut self, block: &mut [u8; BLOCK]) -> Result<usize> {
        let mut length = 0;
        while length < BLOCK {
            let available = fill(&mut self.input).map_err(unreadable)?;
            let step = available.len().min(BLOCK - length);
            if step == 0 {
                break;
            }
            block[length..length + step].copy_from_slice(&available[..step]);
            self.input.consume(step);
            length += step;
        }
        self.offset += length as u64;
        Ok(length)
    }

    /// The content of an extension header.
    fn special(&mut self, size: u64, start: u64) -> Result<Vec<u8>> {
        if size > MAX_SPECIAL {
            return Err(broken(start, "an extended header is longer than 1 MiB"));
        }
        (self.left, self.padding) = (size, pad(size));
        self.name = b"an extended header".to_vec();
        let mut data = Vec::new();
        while let Chunk::Data(chunk) = self.chunk()? {
            let length = chunk.len();
            data.extend_from_slice(chunk);
            self.consume(length);
        }
        self.skip_content()?;
        Ok(data)
    }

    fn records(&mut self, size: u64, start: u64, found: &mut Extensions) -> Result<()> {
        let data = self.special(size, start)?;
        for (key, value) in pairs(&data, start)? {
            let odd = || {
                let key = String::from_utf8_lossy(key);
                broken(start, format!("the PAX record `{key}` is no number"))
            };
            // An empty value leaves what the header says.
            found.sparse.take(key, value).ok_or_else(odd)?;
            match key {
                _ if value.is_empty() && !key.starts_with(XATTR.as_bytes()) => {}
                b"path" => found.path = Some(value.to_vec()),
                b"linkpath" => found.link = Some(value.to_vec()),
                b"uid" => found.uid = Some(decimal(value).ok_or_else(odd)?),
                b"gid" => found.gid = Some(decimal(value).ok_or_else(odd)?),
                b"size" => found.size = Some(decimal(value).ok_or_else(odd)?),
                b"mtime" => found.mtime = Some(time(value).ok_or_else(odd)?),
                _ => {
                    if let Some(name) = key.strip_prefix(XATTR.as_bytes()) {
                        let name = OsString::from_vec(name.to_vec());
                        found.xattrs.retain(|(known, _)| *known != name);
                        found.xattrs.push((name, value.to_vec()));
                    }
                }
            }
        }
        Ok(())
    }

    fn member(
        &mut self,
        block: &[u8; BLOCK],
        flag: u8,
        start: u64,
        size: u64,
        mut extensions: Extensions,
        member: &mut Member,
    ) -> Result<()> {
        let field = |name: &str, range| {
            number(&block[range]).ok_or_else(|| broken(start, format!("its {name} is no number")))
        };
        member.path.clear();
        match extensions
            .gnu_path
            .or_else(|| extensions.sparse.name())
            .or(extensions.path)
        {
            Some(path) => member.path.extend_from_slice(&path),
            None => {
                let prefix = text(&block[field::PREFIX]);
                if block[field::MAGIC][..6] == USTAR[..6] && !prefix.is_empty() {
                    member.path.extend_from_slice(prefix);
                    member.path.push(b'/');
                }
                member.path.extend_from_slice(text(&block[field::NAME]));
            }
        }
        member.link.clear();
        match extensions.gnu_link.or(extensions.link) {
            Some(link) => member.link.extend_from_slice(&link),
            None => member.link.extend_from_slice(text(&block[field::LINK])),
        }
        let refused = |reason: String| Error::LayerEntry {
            path: PathBuf::from(OsString::from_vec(member.path.clone())),
            reason,
        };
        member.kind = match flag {
            // Before ustar, a directory was a file whose name ends in a slash.
            0 if member.path.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::CharDevice,
            b'4' => Kind::BlockDevice,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            // Docker and containerd refuse them as well; PAX archives, whose sparse files they take, have no such type.
            b'S' => {
                return Err(refused(
                    "sparse files of GNU's own archive format are not supported".to_owned(),
                ));
            }
            flag => {
                let flag = char::from(flag).escape_default();
                return Err(refused(format!("its type `{flag}` is not known")));
            }
        };
        let id = |found: Option<u64>, name: &str, range| {
            let id = match found {
                Some(id) => i128::from(id),
                None => field(name, range)?.into(),
            };
            u32::try_from(id).map_err(|_| refused(format!("its {name} {id} is out of range")))
        };
        member.uid = id(extensions.uid, "owner", field::UID)?;
        member.gid = id(extensions.gid, "group", field::GID)?;
        member.mode = (field("mode", field::MODE)? & 0o7777) as u32;
        member.mtime = match extensions.mtime {
            Some(mtime) => mtime,
            None => Timestamp::from_seconds(field("time", field::MTIME)?),
        };
        member.device = (0, 0);
        if matches!(member.kind, Kind::CharDevice | Kind::BlockDevice) {
            let part = |name, range| {
                let number = field(name, range)?;
                u32::try_from(number)
                    .map_err(|_| refused(format!("its {name} {number} is out of range")))
            };
            member.device = (
                part("major device number", field::MAJOR)?,
                part("minor device number", field::MINOR)?,
            );
        }
        // As in Go: nothing but a file has content, whatever its header says.
        member.size = match member.kind {
            Kind::File => extensions.size.unwrap_or(size),
            _ => 0,
        };
        member.xattrs = extensions.xattrs;
        member.is_sparse = false;
        member.content = self.offset;
        (self.left, self.padding) = (member.size, pad(member.size));
        self.name.clone_from(&member.path);
        match (member.kind, extensions.sparse.map()) {
            (Kind::File, Some(map)) => self.open_sparse(&extensions.sparse, map, start, member)?,
            (_, Some(_)) => return Err(broken(start, "what is sparse is no file")),
            (_, None) => {}
        }
        Ok(())
    }

    /// Prepares to read a sparse file.
    fn open_sparse(
        &mut self,
        records: &sparse::Records,
        map_in: sparse::Map,
        start: u64,
        member: &mut Member,
    ) -> Result<()> {
        let odd = |()| broken(start, "the map of a sparse file is malformed");
        let mut map = None;
        if map_in == sparse::Map::Content {
            let mut data = Vec::new();
            while map.is_none() {
                let mut block = [0; BLOCK];
                if self.left < BLOCK as u64 || data.len() as u64 >= MAX_SPECIAL {
                    return Err(odd(()));
                }
                if self.read_block(&mut block)? < BLOCK {
                    return Err(self.cut_short_content());
                }
                self.left -= BLOCK as u64;
                data.extend_from_slice(&block);
                map = sparse::parse_map(&data).map_err(odd)?;
            }
        }
        if let Some(sparse) = records.file(self.left, map.as_deref()).map_err(odd)? {
            member.size = sparse.size();
            member.is_sparse = true;
            self.sparse = Some(sparse);
        }
        Ok(())
    }

    fn cut_short(&self, within: &str) -> Error {
        broken(self.offset, format!("it ends within {within}"))
    }

    fn cut_short_content(&self) -> Error {
        let name = std::path::Path::new(std::ffi::OsStr::from_bytes(&self.name));
        self.cut_short(&format!("the content of `{}`", name.display()))
    }
}

fn broken(offset: u64, reason: impl Into<String>) -> Error {
    Error::Tar {
        offset,
        reason: reason.into(),
    }
}

/// The records of an extended header.
fn pairs(mut data: &[u8], start: u64) -> Result<Vec<(&[u8], &[u8])>> {
    let mut pairs = Vec::new();
    while !data.is_empty() {
        let (key, value, after) =
            pax::next(data).ok_or_else(|| broken(start, "a PAX record is malformed"))?;
        pairs.push((key, value));
        data = after;
    }
    Ok(pairs)
}

fn unreadable(source: io::Error) -> Error {
    Error::stream("read the archive")(source)
}

/// Checks the sum of a header, which some writers have made of signed bytes.
fn check(block: &[u8; BLOCK], start: u64) -> Result<()> {
    let counted = |at: usize| match field::CHECKSUM.contains(&at) {
        true => b' ',
        false => block[at],
    };
    let unsigned: i64 = (0..BLOCK).map(|at| i64::from(counted(at))).sum();
    let signed = || -> i64 {
        (0..BLOCK)
            .map(|at| i64::from(counted(at).cast_signed()))
            .sum()
    };
    match number(&block[field::CHECKSUM]) {
        Some(sum) if sum == unsigned || sum == signed() => Ok(()),
        _ => Err(broken(
            start,
            "the checksum of a header is wrong: this is no tar header",
        )),
    }
}

#[cfg(test)]
mod tests;
