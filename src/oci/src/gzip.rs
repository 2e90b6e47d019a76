//! gzip on all cores: one member, whose deflate stream is made of blocks that are compressed independently.
//!
//! Blocks have a fixed length and do not know of each other, so the result does not depend on how many threads there are. Each
//! ends in an empty stored block (a "sync flush", RFC 1951 section 3.2.4), which brings it to a byte boundary: then the
//! blocks can be laid end to end, as pigz does.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use flate2::{Compress, Compression, Crc, FlushCompress};

use crate::compress::cores;

/// Long enough that what blocks cannot share costs less than a part in a hundred.
const BLOCK: usize = 512 << 10;
/// Magic, deflate, no flags, no time, no hints, unknown system (RFC 1952 section 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// A last block with nothing in it, in fixed Huffman codes.
const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// A writer of one gzip member.
pub(crate) struct ParallelGzip<W> {
    inner: W,
    level: Compression,
    block: Vec<u8>,
    /// Started when the first block is full: most layers are shorter and not worth a thread.
    workers: Option<Sender<Job>>,
    /// Blocks that are being compressed, in order.
    pending: VecDeque<Receiver<io::Result<Compressed>>>,
    spare: Vec<Vec<u8>>,
    crc: Crc,
    header_is_written: bool,
}

struct Job {
    block: Vec<u8>,
    done: Sender<io::Result<Compressed>>,
}

struct Compressed {
    bytes: Vec<u8>,
    crc: Crc,
    /// The buffer, for reuse.
    block: Vec<u8>,
}

impl<W: Write> ParallelGzip<W> {
    pub(crate) fn new(inner: W, level: u32) -> Self {
        Self {
            inner,
            level: Compression::new(level),
            block: Vec::new(),
            workers: None,
            pending: VecDeque::new(),
            spare: Vec::new(),
            crc: Crc::new(),
            header_is_written: false,
        }
    }

    pub(crate) fn finish(mut self) -> io::Result<W> {
        let block = std::mem::take(&mut self.block);
        if !block.is_empty() {
            if self.workers.is_some() {
                self.dispatch(block)?;
            } else {
                let compressed = deflate(&mut Compress::new(self.level, false), block)?;
                self.emit(compressed)?;
            }
        }
        while !self.pending.is_empty() {
            self.collect()?;
        }
        self.write_header()?;
        self.inner.write_all(&LAST_BLOCK)?;
        self.inner.write_all(&self.crc.sum().to_le_bytes())?;
        self.inner.write_all(&self.crc.amount().to_le_bytes())?;
        Ok(self.inner)
    }

    fn dispatch(&mut self, block: Vec<u8>) -> io::Result<()> {
        let limit = 2 * cores();
        if self.pending.len() >= limit {
            self.collect()?;
        }
        let level = self.level;
        let workers = match &self.workers {
            Some(workers) => workers,
            None => self.workers.insert(start_workers(level)?),
        };
        let (done, result) = bounded(1);
        workers
            .send(Job { block, done })
            .map_err(|_| worker_is_gone())?;
        self.pending.push_back(result);
        Ok(())
    }

    /// Waits for the oldest block, and writes it.
    fn collect(&mut self) -> io::Result<()> {
        match self.pending.pop_front() {
            Some(result) => {
                let compressed = result.recv().map_err(|_| worker_is_gone())??;
                self.emit(compressed)
            }
            None => Ok(()),
        }
    }

    fn emit(&mut self, compressed: Compressed) -> io::Result<()> {
        self.write_header()?;
        self.inner.write_all(&compressed.bytes)?;
        self.crc.combine(&compressed.crc);
        let mut block = compressed.block;
        block.clear();
        self.spare.push(block);
        Ok(())
    }

    fn write_header(&mut self) -> io::Result<()> {
        if !self.header_is_written {
            self.inner.write_all(&HEADER)?;
            self.header_is_written = true;
        }
        Ok(())
    }
}

impl<W: Write> Write for ParallelGzip<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let taken = buffer.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&buffer[..taken]);
        if self.block.len() == BLOCK {
            let next = self
                .spare
                .pop()
                .unwrap_or_else(|| Vec::with_capacity(BLOCK));
            let block = std::mem::replace(&mut self.block, next);
            self.dispatch(block)?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts a thread a core; they end when the sender is dropped.
fn start_workers(level: Compression) -> io::Result<Sender<Job>> {
    let (sender, jobs) = unbounded::<Job>();
    for _ in 0..cores() {
        let jobs = jobs.clone();
        thread::Builder::new()
            .name("gzip".to_owned())
            .spawn(move || {
                let mut state = Compress::new(level, false);
                for job in jobs {
                    // Nobody waits for a result when the writer was dropped.
                    let _ = job.done.send(deflate(&mut state, job.block));
                }
            })?;
    }
    Ok(sender)
}

fn deflate(state: &mut Compress, block: Vec<u8>) -> io::Result<Compressed> {
    state.reset();
    let mut bytes = Vec::with_capacity(block.len() / 2 + 64);
    let mut taken = 0;
    loop {
        let before = state.total_in();
        state
            .compress_vec(&block[taken..], &mut bytes, FlushCompress::Sync)
            .map_err(io::Error::other)?;
        taken += usize::try_from(state.total_in() - before).map_err(io::Error::other)?;
        // zlib's manual, deflate(): a flush is complete when room is left in the output.
        if taken == block.len() && bytes.len() < bytes.capacity() {
            break;
        }
        bytes.reserve(block.len() / 4 + 64);
    }
    let mut crc = Crc::new();
    crc.update(&block);
    Ok(Compressed { bytes, crc, block })
}

fn worker_is_gone() -> io::Error {
    io::Error::other("a gzip thread ended early")
}
