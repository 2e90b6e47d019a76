//! A layer's blob on its way into a tree: read, digested, kept, decompressed and unpacked at the same time.
//!
//! One thread reads the blob, digests it and writes it to where it is kept; one decompresses it and digests the tar; the caller's
//! unpacks. A blob that is not compressed is a tar itself, and digested once.

use std::io::{self, Cursor, Read, Write};
use std::thread;

use stromatekt_kernel::Root;

use crate::compress::{Compression, decompress};
use crate::digest::{Digest, HashingReader};
use crate::error::{Error, Result};
use crate::read_ahead::{Pump, ReadAhead};
use crate::unpack::{UnpackOptions, Unpacked, unpack_buffered};

/// How many bytes tell the compression.
const MAGIC: u64 = 6;

/// A layer that was unpacked: what it turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the caller knows which digests were promised"]
pub struct AppliedLayer {
    /// The digest of the blob.
    pub digest: Digest,
    /// The length of the blob.
    pub size: u64,
    /// The digest of the tar.
    pub diff_id: Digest,
    /// The length of the tar.
    pub tar_size: u64,
    /// How the blob is compressed.
    pub compression: Compression,
}

/// Unpacks a layer's blob, as it is stored, into the tree below `root`, and writes it to `tee` on the way.
///
/// All of the blob is read, also what follows the end of the tar: digests cover it.
pub fn apply_layer<R: Read + Send, T: Write + Send>(
    mut blob: R,
    tee: T,
    root: &Root,
) -> Result<AppliedLayer> {
    let mut start = Vec::new();
    blob.by_ref()
        .take(MAGIC)
        .read_to_end(&mut start)
        .map_err(Error::stream("read the layer"))?;
    let compression = Compression::detect(&start);
    let blob = Tee::new(Cursor::new(start).chain(blob), tee);
    thread::scope(|scope| {
        let (pump, mut blob_stream) = ReadAhead::pair();
        let reading = spawn(scope, "layer-read", move || blob.pump(pump))?;
        let unpacked = if compression == Compression::None {
            let unpacked = drain_after(unpack_into(&mut blob_stream, root), &mut blob_stream);
            // Whoever waits to hand over a chunk learns that nobody takes it.
            drop(blob_stream);
            unpacked.map(|_| None)
        } else {
            let (pump, mut tar_stream) = ReadAhead::pair();
            let decompressing = spawn(scope, "layer-decompress", move || {
                inflate(blob_stream, pump)
            })?;
            let unpacked = drain_after(unpack_into(&mut tar_stream, root), &mut tar_stream);
            drop(tar_stream);
            let tar = join(decompressing);
            unpacked.and_then(|_| tar.map(Some))
        };
        // Where the blob could not be read or kept, the rest failed for want of it.
        let (digest, size) = join(reading)?;
        let (diff_id, tar_size) = unpacked?.unwrap_or((digest, size));
        Ok(AppliedLayer {
            digest,
            size,
            diff_id,
            tar_size,
            compression,
        })
    })
}

fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<thread::ScopedJoinHandle<'scope, T>> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn_scoped(scope, work)
        .map_err(Error::stream("start a thread"))
}

fn join<T>(handle: thread::ScopedJoinHandle<'_, T>) -> T {
    match handle.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn unpack_into(tar: &mut ReadAhead, root: &Root) -> Result<Unpacked> {
    unpack_buffered(tar, root, &UnpackOptions::default())
}

/// Reads what follows the end of the archive.
fn drain_after(unpacked: Result<Unpacked>, tar: &mut ReadAhead) -> Result<Unpacked> {
    let unpacked = unpacked?;
    io::copy(tar, &mut io::sink()).map_err(Error::stream("read the layer"))?;
    Ok(unpacked)
}

/// Decompresses a blob for the thread that unpacks; tells the digest and the length of the tar.
fn inflate(mut blob: ReadAhead, pump: Pump) -> Result<(Digest, u64)> {
    let failed = || Error::stream("decompress the layer");
    let (_, tar) = match decompress(&mut blob) {
        Ok(found) => found,
        Err(error) => {
            let copy = io::Error::new(error.kind(), error.to_string());
            pump.run(Broken(Some(error)));
            return Err(failed()(copy));
        }
    };
    let mut tar = HashingReader::new(tar);
    pump.run(&mut tar);
    let (tar, digest, size) = tar.finish();
    drop(tar);
    // What a decompressor leaves is of the blob all the same.
    io::copy(&mut blob, &mut io::sink()).map_err(failed())?;
    Ok((digest, size))
}

/// A reader that fails.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// A reader of a blob that digests it and keeps it.
struct Tee<R, T> {
    blob: HashingReader<R>,
    tee: T,
    failure: Option<Error>,
}

impl<R: Read, T: Write> Tee<R, T> {
    fn new(blob: R, tee: T) -> Self {
        Self {
            blob: HashingReader::new(blob),
            tee,
            failure: None,
        }
    }

    /// Reads all for the other thread, unless that wants no more; tells the digest and the length.
    fn pump(mut self, pump: Pump) -> Result<(Digest, u64)> {
        pump.run(&mut self);
        let (_, digest, size) = self.blob.finish();
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok((digest, size)),
        }
    }

    /// Keeps why a blob failed for who waits for it, and gives the reader of the stream an error as well.
    fn fail(&mut self, action: &'static str, error: io::Error) -> io::Error {
        let copy = io::Error::new(error.kind(), error.to_string());
        self.failure = Some(Error::stream(action)(error));
        copy
    }
}

impl<R: Read, T: Write> Read for Tee<R, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.blob.read(buffer) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(self.fail("read the layer", error));
            }
            result => result?,
        };
        match self.tee.write_all(&buffer[..count]) {
            Ok(()) => Ok(count),
            Err(error) => Err(self.fail("keep the layer", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::Compressor;
    use crate::tar::{END, Header, Style, pad};

    fn layer(files: usize) -> Vec<u8> {
        let content: Vec<u8> = (0..30_000_u32).map(|n| (n * n % 253) as u8).collect();
        let mut tar = Vec::new();
        for number in 0..files {
            let name = format!("d/{number}");
            Header::file(name.as_bytes(), 0o644, content.len() as u64).encode(Style::Pax, &mut tar);
            tar.extend_from_slice(&content);
            tar.resize(tar.len() + pad(content.len() as u64), 0);
        }
        // What follows the end is of the layer, too.
        [&tar[..], &END, &[0; 70_000]].concat()
    }

    fn compressed(tar: &[u8], compression: Compression) -> Vec<u8> {
        let mut compressor = Compressor::new(Vec::new(), compression, Some(1)).unwrap();
        compressor.write_all(tar).unwrap();
        compressor.finish().unwrap()
    }

    #[test]
    fn blobs_are_digested_kept_and_unpacked_however_they_are_compressed() {
        let tar = layer(200);
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let dir = tempfile::tempdir().unwrap();
            let root = Root::open(dir.path()).unwrap();
            let blob = compressed(&tar, compression);
            let mut kept = Vec::new();
            let applied = apply_layer(&blob[..], &mut kept, &root).unwrap();
            assert!(kept == blob, "{compression}");
            assert_eq!(
                applied,
                AppliedLayer {
                    digest: Digest::of(&blob),
                    size: blob.len() as u64,
                    diff_id: Digest::of(&tar),
                    tar_size: tar.len() as u64,
                    compression,
                }
            );
            assert_eq!(root.read_dir("d").unwrap().len(), 200);
        }
    }

    #[test]
    fn whatever_fails_is_named() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        struct Lost;
        impl Read for Lost {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("lost"))
            }
        }
        let tar = layer(200);
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let blob = compressed(&tar, compression);
            let dir = tempfile::tempdir().unwrap();
            let root = Root::open(dir.path()).unwrap();
            let told = |result: Result<AppliedLayer>| result.unwrap_err().to_string();
            let half = &blob[..blob.len() / 2];
            let error = told(apply_layer(&blob[..], Full, &root));
            assert!(
                error.starts_with("cannot keep the layer"),
                "{compression}: {error}"
            );
            let error = told(apply_layer(half.chain(Lost), io::sink(), &root));
            assert!(error.contains("lost"), "{compression}: {error}");
            let error = told(apply_layer(half, io::sink(), &root));
            assert!(!error.contains("early"), "{compression}: {error}");
            let mut flipped = blob.clone();
            flipped[blob.len() / 2] ^= 0x55;
            if compression != Compression::None {
                told(apply_layer(&flipped[..], io::sink(), &root));
            }
        }
        // An error of the tar ends the threads that wait to hand over the rest.
        let broken = [&layer(1)[..31_000], &[7; 20_000_000]].concat();
        for compression in [Compression::None, Compression::Gzip] {
            let dir = tempfile::tempdir().unwrap();
            let root = Root::open(dir.path()).unwrap();
            let blob = compressed(&broken, compression);
            let error = apply_layer(&blob[..], io::sink(), &root).unwrap_err();
            assert!(matches!(error, Error::Tar { .. }), "{error}");
        }
    }
}
