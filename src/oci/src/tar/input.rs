//! Where an archive is read from: a stream, or a file in which contents are passed over.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use super::BLOCK;

/// Where an archive comes from.
pub(crate) trait Input: BufRead {
    /// Passes over `count` bytes; tells over how many, which is less only at the end.
    fn skip(&mut self, count: u64) -> io::Result<u64>;
}

/// A stream, which is read to be passed over.
pub(crate) struct Streamed<R>(pub R);

impl<R: BufRead> Read for Streamed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: BufRead> BufRead for Streamed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

impl<R: BufRead> Input for Streamed<R> {
    fn skip(&mut self, count: u64) -> io::Result<u64> {
        let mut skipped = 0;
        while skipped < count {
            let available = fill(&mut self.0)?.len() as u64;
            if available == 0 {
                break;
            }
            let step = available.min(count - skipped);
            self.0.consume(usize::try_from(step).unwrap_or(usize::MAX));
            skipped += step;
        }
        Ok(skipped)
    }
}

/// A file, in which contents are passed over without reading them.
pub(crate) struct Seekable {
    file: BufReader<File>,
    left: u64,
}

impl Seekable {
    /// All of a file, which is at its start.
    pub fn new(file: File) -> io::Result<Self> {
        let left = file.metadata()?.len();
        // Headers lie apart: more than a few would be read in vain.
        let file = BufReader::with_capacity(4 * BLOCK, file);
        Ok(Self { file, left })
    }
}

impl Read for Seekable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

impl BufRead for Seekable {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.file.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount as u64);
        self.file.consume(amount);
    }
}

impl Input for Seekable {
    fn skip(&mut self, count: u64) -> io::Result<u64> {
        // A seek beyond the end would succeed.
        let count = count.min(self.left);
        self.file
            .seek_relative(i64::try_from(count).map_err(io::Error::other)?)?;
        self.left -= count;
        Ok(count)
    }
}

/// What is in the buffer, refilled if it is empty.
pub(super) fn fill(input: &mut impl BufRead) -> io::Result<&[u8]> {
    loop {
        match input.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // What is there already is given once more, without reading: a borrow from inside of the loop would not end.
    input.fill_buf()
}
