//! Writing long files past the page cache: what is written once and not read soon need not displace what is.
//!
//! Filling the page cache is what a long write costs most; and the kernel writes the pages back later all the same.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// How much is written at once: enough to keep a disk busy.
const CHUNK: usize = 4 << 20;
/// What offsets, lengths and addresses are multiples of: the sectors of any disk, and pages.
const ALIGNMENT: usize = 4096;

/// A new file that is written from its start to its end. Its last bytes are written by [`DirectWriter::finish`].
#[derive(Debug)]
pub struct DirectWriter {
    file: File,
    is_direct: bool,
    /// Longer than a chunk, so that a chunk in it is aligned.
    buffer: Vec<u8>,
    /// Where the chunk starts in the buffer.
    start: usize,
    /// How much of the chunk is filled.
    filled: usize,
}

impl DirectWriter {
    /// Makes a file that does not exist. Where the file system knows no direct writing, it is written the usual way.
    pub fn create_new(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        Ok(Self {
            file,
            is_direct: false,
            buffer: Vec::new(),
            start: 0,
            filled: 0,
        })
    }

    /// Writes what is left; the file is complete then.
    pub fn finish(mut self) -> io::Result<File> {
        let rest = self.filled % ALIGNMENT;
        let aligned = self.filled - rest;
        // Short files are not worth waiting for the disk.
        if self.is_direct && aligned > 0 {
            self.write_out(0, aligned)?;
            self.set_direct(false)?;
            self.write_out(aligned, rest)?;
        } else {
            self.set_direct(false)?;
            self.write_out(0, self.filled)?;
        }
        Ok(self.file)
    }

    fn write_out(&mut self, offset: usize, length: usize) -> io::Result<()> {
        let from = self.start + offset;
        self.file.write_all(&self.buffer[from..from + length])
    }

    fn set_direct(&mut self, direct: bool) -> io::Result<()> {
        if self.is_direct == direct {
            return Ok(());
        }
        let flags = OFlag::from_bits_retain(fcntl(&self.file, FcntlArg::F_GETFL)?);
        let flags = match direct {
            true => flags | OFlag::O_DIRECT,
            false => flags - OFlag::O_DIRECT,
        };
        fcntl(&self.file, FcntlArg::F_SETFL(flags))?;
        self.is_direct = direct;
        Ok(())
    }
}

impl Write for DirectWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.is_empty() {
            self.buffer = vec![0; CHUNK + ALIGNMENT];
            self.start = self.buffer.as_ptr().align_offset(ALIGNMENT);
        }
        let taken = bytes.len().min(CHUNK - self.filled);
        let at = self.start + self.filled;
        self.buffer[at..at + taken].copy_from_slice(&bytes[..taken]);
        self.filled += taken;
        if self.filled == CHUNK {
            if !self.is_direct {
                // A file system that cannot refuses it (EINVAL): then the page cache has to do.
                let _ = self.set_direct(true);
            }
            if let Err(error) = self.write_out(0, CHUNK) {
                if !self.is_direct || error.raw_os_error() != Some(libc::EINVAL) {
                    return Err(error);
                }
                self.set_direct(false)?;
                self.write_out(0, CHUNK)?;
            }
            self.filled = 0;
        }
        Ok(taken)
    }

    /// Does nothing: only whole chunks can be written directly.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_any_length_are_written_whole() {
        let dir = tempfile::tempdir().unwrap();
        for length in [
            0,
            1,
            ALIGNMENT,
            CHUNK - 1,
            CHUNK,
            CHUNK + 1,
            CHUNK + ALIGNMENT + 7,
            3 * CHUNK,
        ] {
            let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let path = dir.path().join(length.to_string());
            let mut writer = DirectWriter::create_new(&path).unwrap();
            for piece in content.chunks(70_001) {
                writer.write_all(piece).unwrap();
            }
            writer.finish().unwrap();
            assert!(std::fs::read(&path).unwrap() == content, "{length}");
        }
    }
}
