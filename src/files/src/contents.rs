//! The digests of the contents of files: remembered, or computed on all cores.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use stromatekt_kernel::beneath::OFlag;
use stromatekt_kernel::{FileKind, Stat, entry};
use stromatekt_oci::Digest;

use crate::digest::{FileHashes, FileKey};
use crate::error::{Error, Result};
use crate::parallel;
use crate::select::Source;
use crate::walk::Item;

/// As much of a file as is read at once.
pub(crate) const BUFFER: usize = 256 << 10;

/// Two ticks of the slowest clock that Linux stamps inodes with.
const TICK_NS: i64 = 20_000_000;
/// The coarsest times that file systems keep (FAT's).
const COARSE_NS: i64 = 2_000_000_000;

/// A file that was changed less than this before it was read may be changed again without a change of its times.
fn settling_ns(changed_ns: i64) -> i64 {
    // A file system that keeps no fractions of seconds, or rounds them, shows it by the zeros at the end.
    match changed_ns % 1_000_000 {
        0 => COARSE_NS,
        _ => TICK_NS,
    }
}

/// The digests of the contents of these entries, each with its directory; nothing for those that are no regular files.
pub(crate) fn digests(
    source: &Source<'_>,
    files: &[(&Path, &Item)],
    hashes: &dyn FileHashes,
) -> Result<Vec<Option<Digest>>> {
    let empty = Digest::of("");
    let mut digests: Vec<Option<Digest>> = files
        .iter()
        .map(|(_, item)| (item.stat.kind == FileKind::File && item.stat.size == 0).then_some(empty))
        .collect();
    let wanted: Vec<usize> = (0..files.len())
        .filter(|index| files[*index].1.stat.kind == FileKind::File && digests[*index].is_none())
        .collect();
    if wanted.is_empty() {
        return Ok(digests);
    }
    let keys: Vec<FileKey> = wanted
        .iter()
        .map(|index| FileKey::of(&files[*index].1.stat))
        .collect();
    let known = hashes.get_many(&keys).map_err(Error::Hashes)?;
    let mut missing = Vec::new();
    for (place, index) in wanted.iter().enumerate() {
        digests[*index] = known.get(place).copied().flatten();
        if digests[*index].is_none() {
            missing.push(*index);
        }
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    let hashed = parallel::map(
        &missing,
        || Reader::new(source),
        |reader, index| {
            let (dir, item) = files[*index];
            reader.digest(dir, item)
        },
    )?;
    let mut to_remember = Vec::new();
    for (index, (digest, stat)) in missing.into_iter().zip(hashed) {
        digests[index] = Some(digest);
        let key = FileKey::of(&stat);
        // Whatever a program sets the other times to, this one tells of each change.
        let is_settled = key.ctime_ns < now - settling_ns(key.ctime_ns);
        if is_settled && key == FileKey::of(&files[index].1.stat) {
            to_remember.push((key, digest));
        }
    }
    if !to_remember.is_empty() {
        hashes.put_many(&to_remember).map_err(Error::Hashes)?;
    }
    Ok(digests)
}

/// Opens files of a source one after the other; the directory of the last one stays open.
pub(crate) struct Reader<'a> {
    source: &'a Source<'a>,
    dir: Option<(PathBuf, OwnedFd)>,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a Source<'a>) -> Self {
        Self {
            source,
            dir: None,
            buffer: Vec::new(),
        }
    }

    /// The directory at `path` of the source.
    pub fn dir(&mut self, path: &Path) -> Result<&OwnedFd> {
        if self.dir.as_ref().is_none_or(|(open, _)| open != path) {
            let dir = self
                .source
                .root
                .open_dir_no_symlinks(path)
                .map_err(Error::read(path))?;
            self.dir = Some((path.to_owned(), dir));
        }
        match &self.dir {
            Some((_, dir)) => Ok(dir),
            // It was opened above.
            None => Err(vanished(path)),
        }
    }

    /// Opens a regular file of a directory of the source. What has become something else has vanished.
    pub fn open(&mut self, dir: &Path, item: &Item) -> Result<(File, Stat)> {
        let path = dir.join(&item.name);
        // Without `O_NONBLOCK` a named pipe in its place would be waited for.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
        let file =
            entry::openat(self.dir(dir)?, &item.name, flags, 0).map_err(Error::read(&path))?;
        let stat = entry::stat_fd(&file).map_err(Error::read(&path))?;
        if stat.kind != FileKind::File {
            return Err(vanished(&path));
        }
        Ok((file, stat))
    }

    /// A buffer for whatever is read.
    pub fn buffer(&mut self) -> &mut [u8] {
        self.buffer.resize(BUFFER, 0);
        &mut self.buffer
    }

    /// The digest of a file's content, and what the file was after it was read.
    fn digest(&mut self, dir: &Path, item: &Item) -> Result<(Digest, Stat)> {
        let path = dir.join(&item.name);
        let failed = || Error::read(&path);
        let (file, _) = self.open(dir, item)?;
        let digest = hash(&file, item.stat.size, self.buffer()).map_err(failed())?;
        let after = entry::stat_fd(&file).map_err(failed())?;
        Ok((digest, after))
    }
}

fn vanished(path: &Path) -> Error {
    Error::Vanished {
        path: path.to_owned(),
        source: None,
    }
}

fn hash(mut file: &File, size: u64, buffer: &mut [u8]) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut rest = size;
    while rest > 0 {
        let chunk = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        match file.read(&mut buffer[..chunk]) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                rest -= count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Digest::from_bytes(hasher.finalize().into()))
}
