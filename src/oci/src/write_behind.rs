//! Writing on another thread: one side produces bytes, the other digests them and passes them on.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use crate::digest::{Digest, HashingWriter};
use crate::error::{Error, Result};

/// A chunk that fits the processor's cache, and is large enough that handing it over costs nothing.
const CHUNK: usize = 256 << 10;
/// How many chunks may wait.
const DEPTH: usize = 8;

/// The side that produces.
pub(crate) struct WriteBehind {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    /// As long as it may become, and filled up to `length`.
    chunk: Vec<u8>,
    length: usize,
}

/// What was written.
pub(crate) struct Written<W> {
    pub out: W,
    pub digest: Digest,
    pub size: u64,
}

/// Writes what `produce` produces to `out`; `action` is what is said of an error of `out`.
pub(crate) fn write_behind<W: Write + Send>(
    out: W,
    action: &'static str,
    produce: impl FnOnce(&mut WriteBehind) -> Result<()>,
) -> Result<Written<W>> {
    let (full, chunks) = sync_channel(DEPTH);
    let (spent, empty) = channel();
    let mut behind = WriteBehind {
        full,
        empty,
        chunk: vec![0; CHUNK],
        length: 0,
    };
    thread::scope(|scope| {
        let writer = thread::Builder::new()
            .name("write-behind".to_owned())
            .spawn_scoped(scope, move || write(out, chunks, &spent))
            .map_err(Error::stream("start a thread"))?;
        let produced =
            produce(&mut behind).and_then(|()| behind.flush().map_err(Error::stream(action)));
        drop(behind);
        let written = match writer.join() {
            Ok(written) => written.map_err(Error::stream(action)),
            Err(panic) => std::panic::resume_unwind(panic),
        };
        // When the writer gave up, the producer could not go on: the reason is the writer's.
        let (out, digest, size) = written?.finish();
        produced?;
        Ok(Written { out, digest, size })
    })
}

fn write<W: Write>(
    out: W,
    chunks: Receiver<Vec<u8>>,
    spent: &Sender<Vec<u8>>,
) -> io::Result<HashingWriter<W>> {
    let mut out = HashingWriter::new(out);
    for chunk in chunks {
        out.write_all(&chunk)?;
        // Nobody takes it back at the end.
        let _ = spent.send(chunk);
    }
    Ok(out)
}

impl WriteBehind {
    /// Copies exactly `length` bytes from `reader`; fails if there are fewer.
    pub fn copy(&mut self, mut reader: impl Read, length: u64) -> io::Result<()> {
        let mut left = length;
        while left > 0 {
            let room = self.room()?;
            let most = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match reader.read(&mut room[..most]) {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "it became shorter while it was read",
                    ));
                }
                Ok(count) => {
                    self.length += count;
                    left -= count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Appends that many zeros.
    pub fn zeros(&mut self, count: usize) -> io::Result<()> {
        self.copy(io::repeat(0), count as u64)
    }

    /// The free part of the chunk, which is never empty.
    fn room(&mut self) -> io::Result<&mut [u8]> {
        if self.length == self.chunk.len() {
            self.flush()?;
        }
        Ok(&mut self.chunk[self.length..])
    }
}

impl Write for WriteBehind {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let room = self.room()?;
        let count = room.len().min(buffer.len());
        room[..count].copy_from_slice(&buffer[..count]);
        self.length += count;
        Ok(count)
    }

    /// Hands over what there is.
    fn flush(&mut self) -> io::Result<()> {
        if self.length == 0 {
            return Ok(());
        }
        let mut next = self.empty.try_recv().unwrap_or_default();
        next.resize(CHUNK, 0);
        let mut chunk = std::mem::replace(&mut self.chunk, next);
        chunk.truncate(self.length);
        self.length = 0;
        self.full
            .send(chunk)
            .map_err(|_| io::Error::other("the writing thread gave up"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_digested() {
        let data: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        let written = write_behind(Vec::new(), "write", |out| {
            out.write_all(&data).map_err(Error::stream("x"))?;
            out.copy(&data[..], 1_000_000).map_err(Error::stream("x"))?;
            out.zeros(5).map_err(Error::stream("x"))
        })
        .unwrap();
        let expected = [&data[..], &data[..1_000_000], &[0; 5]].concat();
        assert!(written.out == expected, "the bytes changed on their way");
        assert_eq!(written.digest, Digest::of(&expected));
        assert_eq!(written.size, expected.len() as u64);
    }

    #[test]
    fn the_error_of_the_output_is_the_one_that_is_told() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let result = write_behind(Full, "write", |out| {
            out.zeros(20 * CHUNK).map_err(Error::stream("produce"))
        });
        match result {
            Err(Error::Stream {
                action: "write",
                source,
            }) => {
                assert_eq!(source.kind(), io::ErrorKind::StorageFull);
            }
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it was written"),
        }
    }
}
