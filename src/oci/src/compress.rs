//! Compression of layers: recognized by the first bytes, written on all cores, the same bytes on every machine.

use std::fmt;
use std::io::{self, BufReader, Cursor, Read, Write};
use std::num::NonZero;
use std::thread;

use crate::error::{Error, Result};
use crate::gzip::ParallelGzip;

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// bzip2: only read, for archives that ADD extracts.
    Bzip2,
    /// xz: only read, for archives that ADD extracts.
    Xz,
}

/// How many bytes [`Compression::detect`] wants to see.
const MAGIC: usize = 6;

/// The chunk in which compressed bytes are taken from a reader.
const CHUNK: usize = 128 << 10;

impl Compression {
    /// Recognizes a stream by its first six bytes; fewer only if there are no more.
    #[must_use]
    pub fn detect(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // Skippable frames, with which some writers begin (RFC 8878 section 3.1.2).
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0x00, ..] => Self::Xz,
            _ => Self::None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        })
    }
}

/// A writer that compresses what passes through it, on all cores.
///
/// The result depends on the input, the compression and the level alone: not on the number of cores, nor on how the input was cut
/// into writes. Without [`Compressor::finish`] it is incomplete.
pub struct Compressor<W: Write> {
    inner: Inner<W>,
}

enum Inner<W: Write> {
    None(W),
    Gzip(Box<ParallelGzip<W>>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Compressor<W> {
    /// Compresses into `inner`. Levels are those of the format; gzip has 0 to 9 (default 6), zstd 1 to 22 (default 3).
    pub fn new(inner: W, compression: Compression, level: Option<i32>) -> Result<Self> {
        let inner = match compression {
            Compression::None => Inner::None(inner),
            Compression::Gzip => {
                let level = level.unwrap_or(6).clamp(0, 9).unsigned_abs();
                Inner::Gzip(Box::new(ParallelGzip::new(inner, level)))
            }
            Compression::Zstd => {
                let level = level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL);
                let start = || {
                    let mut encoder = zstd::Encoder::new(inner, level)?;
                    encoder.include_checksum(true)?;
                    // Any number of workers from one on cuts the input in the same places; none at all would not.
                    encoder.multithread(u32::try_from(cores()).unwrap_or(1))?;
                    Ok(encoder)
                };
                Inner::Zstd(start().map_err(Error::stream("start zstd"))?)
            }
            Compression::Bzip2 | Compression::Xz => {
                return Err(Error::Unsupported {
                    what: format!("writing {compression} layers"),
                });
            }
        };
        Ok(Self { inner })
    }

    /// Writes what is left, and gives the inner writer back.
    pub fn finish(self) -> io::Result<W> {
        match self.inner {
            Inner::None(inner) => Ok(inner),
            Inner::Gzip(gzip) => gzip.finish(),
            Inner::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Compressor<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.inner {
            Inner::None(inner) => inner.write(buffer),
            Inner::Gzip(gzip) => gzip.write(buffer),
            Inner::Zstd(encoder) => encoder.write(buffer),
        }
    }

    /// Flushes only the inner writer where nothing is compressed: a flush in between would change the result.
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.inner {
            Inner::None(inner) => inner.flush(),
            Inner::Gzip(_) | Inner::Zstd(_) => Ok(()),
        }
    }
}

/// The number of cores this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Tells the compression of a stream by its first bytes, and reads it uncompressed.
pub fn decompress<'a, R: Read + Send + 'a>(
    mut reader: R,
) -> io::Result<(Compression, Box<dyn Read + Send + 'a>)> {
    let mut start = Vec::with_capacity(MAGIC);
    reader.by_ref().take(MAGIC as u64).read_to_end(&mut start)?;
    let compression = Compression::detect(&start);
    let whole = Cursor::new(start).chain(reader);
    if compression == Compression::None {
        return Ok((compression, Box::new(whole)));
    }
    let buffered = BufReader::with_capacity(CHUNK, whole);
    let reader: Box<dyn Read + Send + 'a> = match compression {
        Compression::None => Box::new(buffered),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered)),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(buffered)?),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered)),
        Compression::Xz => Box::new(lzma_rust2::XzReader::new(buffered, true)),
    };
    Ok((compression, reader))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compress(compression: Compression, chunks: &[&[u8]]) -> Vec<u8> {
        let mut compressor = Compressor::new(Vec::new(), compression, None).unwrap();
        for chunk in chunks {
            compressor.write_all(chunk).unwrap();
        }
        compressor.finish().unwrap()
    }

    fn sample(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * n / 7 % 251) as u8).collect()
    }

    #[test]
    fn every_compression_round_trips_and_is_recognized() {
        for length in [0, 1, 1000, 1 << 20, (5 << 20) + 3] {
            let data = sample(length);
            for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
                let packed = compress(compression, &[&data]);
                let (found, mut reader) = decompress(&packed[..]).unwrap();
                let mut read = Vec::new();
                reader.read_to_end(&mut read).unwrap();
                assert!(
                    (found, &read) == (compression, &data),
                    "{compression} of {length} bytes"
                );
            }
        }
    }

    #[test]
    fn the_cut_into_writes_does_not_change_the_result() {
        let data = sample((3 << 20) + 17);
        for compression in [Compression::Gzip, Compression::Zstd] {
            let whole = compress(compression, &[&data]);
            let cut: Vec<&[u8]> = data.chunks(70_001).collect();
            assert!(compress(compression, &cut) == whole, "{compression}");
        }
    }

    #[test]
    fn xz_and_bzip2_are_read() {
        let bzip2 = {
            let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            writer.write_all(b"hello").unwrap();
            writer.finish().unwrap()
        };
        let xz = [
            0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x01, 0x69, 0x22, 0xde, 0x36, 0x02, 0x00,
            0x21, 0x01, 0x16, 0x00, 0x00, 0x00, 0x74, 0x2f, 0xe5, 0xa3, 0x01, 0x00, 0x04, b'h',
            b'e', b'l', b'l', b'o', 0x00, 0x00, 0x00, 0x00,
        ];
        let (found, mut reader) = decompress(&bzip2[..]).unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!((found, text.as_str()), (Compression::Bzip2, "hello"));
        let (found, mut reader) = decompress(&xz[..]).unwrap();
        assert_eq!(found, Compression::Xz);
        assert!(
            reader.read_to_end(&mut Vec::new()).is_err(),
            "a truncated xz stream is an error"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(magic in 0usize..5, tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let start: [&[u8]; 5] = [b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"BZh9", b"\xfd7zXZ\0"];
            let bytes = [start[magic], &tail].concat();
            if let Ok((_, reader)) = decompress(&bytes[..]) {
                let _ = reader.take(1 << 20).read_to_end(&mut Vec::new());
            }
        }
    }
}
