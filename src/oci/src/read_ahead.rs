//! Reading on another thread: one side reads (and hashes, decompresses, stores), the other takes what is there.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// A chunk that fits the processor's cache, and is large enough that handing it over costs nothing.
const CHUNK: usize = 256 << 10;
/// How many chunks may wait.
const DEPTH: usize = 8;

/// The side that takes.
///
/// Dropping it ends the other side at its next chunk.
pub struct ReadAhead {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: Sender<Vec<u8>>,
    chunk: Vec<u8>,
    position: usize,
    state: State,
}

enum State {
    Open,
    /// The other side has finished, and said so.
    Ended,
}

/// The side that reads.
pub struct Pump {
    full: SyncSender<io::Result<Vec<u8>>>,
    empty: Receiver<Vec<u8>>,
}

impl ReadAhead {
    /// The two ends of one stream, each for a thread of its own.
    #[must_use]
    pub fn pair() -> (Pump, Self) {
        let (full_sender, full) = sync_channel(DEPTH);
        let (empty, empty_receiver) = channel();
        let pump = Pump {
            full: full_sender,
            empty: empty_receiver,
        };
        (
            pump,
            Self {
                full,
                empty,
                chunk: Vec::new(),
                position: 0,
                state: State::Open,
            },
        )
    }

    /// Reads all of `reader` on a new thread.
    pub fn spawn<R: Read + Send + 'static>(reader: R) -> io::Result<Self> {
        let (pump, reading) = Self::pair();
        thread::Builder::new()
            .name("read-ahead".to_owned())
            .spawn(move || pump.run(reader))?;
        Ok(reading)
    }
}

impl Pump {
    /// Reads until the end or an error, both of which the other side sees; or until nobody wants more.
    pub fn run(self, mut reader: impl Read) {
        loop {
            let mut chunk = self.buffer();
            let filled = fill(&mut reader, &mut chunk);
            let last = match filled {
                Ok(0) => return self.end(),
                Ok(length) => {
                    chunk.truncate(length);
                    self.full.send(Ok(chunk)).is_err()
                }
                Err(error) => {
                    self.fail(error);
                    true
                }
            };
            if last {
                return;
            }
        }
    }

    /// An empty chunk is the end; a sender that merely vanished is a thread that died, which must not look like the end.
    fn end(&self) {
        let _ = self.full.send(Ok(Vec::new()));
    }

    fn fail(&self, error: io::Error) {
        let _ = self.full.send(Err(error));
    }

    fn buffer(&self) -> Vec<u8> {
        let mut chunk = self
            .empty
            .try_recv()
            .unwrap_or_else(|_| Vec::with_capacity(CHUNK));
        chunk.resize(CHUNK, 0);
        chunk
    }
}

/// Fills a buffer as far as there is something: decompressors give small pieces.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}

impl BufRead for ReadAhead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.chunk.len() && matches!(self.state, State::Open) {
            let spent = std::mem::take(&mut self.chunk);
            self.position = 0;
            if spent.capacity() > 0 {
                let _ = self.empty.send(spent);
            }
            match self.full.recv() {
                Ok(Ok(chunk)) if chunk.is_empty() => self.state = State::Ended,
                Ok(Ok(chunk)) => self.chunk = chunk,
                Ok(Err(error)) => {
                    self.state = State::Ended;
                    return Err(error);
                }
                Err(_) => return Err(io::Error::other("the reading thread ended early")),
            }
        }
        Ok(&self.chunk[self.position..])
    }

    fn consume(&mut self, amount: usize) {
        self.position = (self.position + amount).min(self.chunk.len());
    }
}

impl Read for ReadAhead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_in_order() {
        let data: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 253) as u8).collect();
        let mut reading = ReadAhead::spawn(io::Cursor::new(data.clone())).unwrap();
        let mut read = Vec::new();
        reading.read_to_end(&mut read).unwrap();
        assert!(read == data, "the stream changed on its way");
    }

    #[test]
    fn an_error_arrives_after_what_was_read_before_it() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let data = vec![7; CHUNK];
        let mut reading = ReadAhead::spawn(io::Cursor::new(data).chain(Broken)).unwrap();
        let mut read = Vec::new();
        let error = reading.read_to_end(&mut read).unwrap_err();
        assert_eq!((read.len(), error.to_string().as_str()), (CHUNK, "broken"));
    }

    #[test]
    fn dropping_the_taker_ends_the_reader() {
        let reading = ReadAhead::spawn(io::repeat(0)).unwrap();
        drop(reading);
    }
}
