//! Contexts that are not directories of this machine: standard input, web servers, git repositories, unpacked into a directory.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use stromatekt_engine::events::{Events, Outcome};
use stromatekt_executor::Secrets;
use stromatekt_graph::op::Git;
use stromatekt_kernel::Root;
use stromatekt_kernel::beneath::OFlag;
use stromatekt_oci::unpack::{UnpackOptions, Whiteouts, unpack};
use stromatekt_oci::{Compression, decompress};
use stromatekt_sources::git::Auth;
use stromatekt_sources::http::Fetched;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::context::FETCHED_NAME;
use crate::error::{Error, Result};

/// The size of a tar's header.
const BLOCK: usize = 512;

/// What fetching needs.
pub struct Fetch<'a> {
    /// The state directory, which keeps what git fetched.
    pub root: &'a Path,
    /// Who is told.
    pub events: &'a Events,
    /// Stops it.
    pub cancel: &'a CancellationToken,
    /// The logins for repositories are among them.
    pub secrets: &'a Secrets,
}

/// What a stream turned out to be.
pub enum Input {
    /// A tar, unpacked.
    Archive(Unpacked),
    /// A Dockerfile, and the files beside it.
    Dockerfile {
        /// Its text.
        text: Vec<u8>,
        /// The files.
        unpacked: Unpacked,
    },
}

/// A directory of files that is removed in the end.
pub struct Unpacked {
    path: PathBuf,
    /// When it was made, in seconds since 1970, as far as that is known.
    time: Option<i64>,
    _temporary: TempDir,
}

impl Unpacked {
    /// An empty directory.
    fn new() -> Result<Self> {
        let temporary = tempfile::Builder::new()
            .prefix("stromatekt-context-")
            .tempdir()
            .map_err(Error::file("make a directory in", std::env::temp_dir()))?;
        // The outer one keeps others out. The inner one is what COPY sees, and must not be private.
        let path = temporary.path().join("context");
        fs::DirBuilder::new()
            .mode(0o755)
            .create(&path)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
            .map_err(Error::file("make the directory", &path))?;
        Ok(Self {
            path,
            time: None,
            _temporary: temporary,
        })
    }

    /// When it was made, in seconds since 1970: a commit, or a file on a web server that tells; else the newest file of an archive.
    pub fn time(&self) -> Option<i64> {
        self.time
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Fetch<'_> {
    /// The tree of a repository at its commit.
    pub async fn git(&self, git: &Git) -> Result<Unpacked> {
        let name = format!("[internal] load git source {}", git.remote);
        self.told(&name, async {
            let mut unpacked = Unpacked::new()?;
            // Where the engine keeps the repositories of ADD, too.
            let repositories = self.root.join("git");
            fs::create_dir_all(&repositories)
                .map_err(Error::file("make the directory", &repositories))?;
            let auth = Auth::find(&git.remote, |id| self.secrets.value(id))
                .map_err(|error| Error::Engine(Box::new(error.into())))?;
            let path = unpacked.path();
            let checkout = stromatekt_sources::git::checkout(git, &repositories, path, &auth);
            unpacked.time = Some(checkout.await?.time);
            Ok(unpacked)
        })
        .await
    }

    /// A tar or a Dockerfile on a web server.
    pub async fn url(&self, url: &str) -> Result<Input> {
        self.told("[internal] load remote build context", async {
            let mut unpacked = Unpacked::new()?;
            let path = unpacked.path().join(FETCHED_NAME);
            unpacked.time = download(url, &path).await?;
            let file = fs::File::open(&path).map_err(Error::file("open", &path))?;
            let url = url.to_owned();
            blocking(move || match sort(file, &url)? {
                Input::Dockerfile { text, .. } => Ok(Input::Dockerfile { text, unpacked }),
                Input::Archive(archive) => Ok(Input::Archive(Unpacked {
                    time: unpacked.time.or_else(|| newest(archive.path())),
                    ..archive
                })),
            })
            .await
        })
        .await
    }

    /// A file on a web server.
    pub async fn file(&self, url: &str) -> Result<Vec<u8>> {
        self.told(&format!("[internal] load {url}"), async {
            let unpacked = Unpacked::new()?;
            let path = unpacked.path().join(FETCHED_NAME);
            download(url, &path).await?;
            fs::read(&path).map_err(Error::file("read", &path))
        })
        .await
    }

    /// A tar or a Dockerfile on standard input.
    pub async fn input(&self) -> Result<Input> {
        self.until_cancelled(blocking(|| sort(io::stdin(), INPUT)))
            .await
    }

    /// Standard input to its end.
    pub async fn rest_of_input(&self) -> Result<Vec<u8>> {
        self.until_cancelled(blocking(|| {
            let mut text = Vec::new();
            io::stdin()
                .lock()
                .read_to_end(&mut text)
                .map_err(Error::file("read", INPUT))?;
            Ok(text)
        }))
        .await
    }

    /// Does work as a vertex.
    async fn told<T>(&self, name: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let vertex = self.events.start(name);
        let result = self.until_cancelled(work).await;
        vertex.complete(match &result {
            Ok(_) => Outcome::Done,
            Err(Error::Interrupted) => Outcome::Canceled,
            Err(error) => Outcome::Failed(error.to_string()),
        });
        result
    }

    async fn until_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::Interrupted),
            result = work => result,
        }
    }
}

const INPUT: &str = "standard input";

/// Fetches a file, and tells when it was modified where the server knows.
async fn download(url: &str, path: &Path) -> Result<Option<i64>> {
    // Nothing is known of it, so it cannot be unchanged.
    match stromatekt_sources::http::fetch(url, path, None, None).await? {
        Fetched::New { last_modified, .. } => Ok(last_modified),
        Fetched::NotModified => Ok(None),
    }
}

/// The time of the newest file in a directory.
fn newest(directory: &Path) -> Option<i64> {
    let mut newest = None;
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        // What cannot be read is found when it is copied.
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        for entry in entries {
            match entry.metadata() {
                Ok(found) if found.is_dir() => waiting.push(entry.path()),
                Ok(found) if found.is_file() => newest = newest.max(Some(found.mtime())),
                _ => {}
            }
        }
    }
    newest
}

/// Runs synchronous work beside the signals.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::Interrupted),
        },
    }
}

/// Tells a tar, which may be compressed, from a Dockerfile, and reads either.
fn sort(mut reader: impl Read + Send, name: &str) -> Result<Input> {
    let mut start = Vec::with_capacity(BLOCK);
    reader
        .by_ref()
        .take(BLOCK as u64)
        .read_to_end(&mut start)
        .map_err(Error::file("read", name))?;
    let unpacked = Unpacked::new()?;
    let is_archive = Compression::detect(&start) != Compression::None || is_tar_header(&start);
    let mut whole = io::Cursor::new(start).chain(reader);
    if !is_archive {
        let mut text = Vec::new();
        whole
            .read_to_end(&mut text)
            .map_err(Error::file("read", name))?;
        return Ok(Input::Dockerfile { text, unpacked });
    }
    extract(whole, unpacked.path()).map_err(|source| Error::Unpack {
        name: name.to_owned(),
        source,
    })?;
    Ok(Input::Archive(unpacked))
}

fn extract(reader: impl Read + Send, directory: &Path) -> Result<(), stromatekt_oci::Error> {
    let file = |source| stromatekt_oci::Error::Io {
        action: "unpack into",
        path: directory.to_owned(),
        source,
    };
    let root = Root::open(directory).map_err(file)?;
    let options = UnpackOptions {
        // Names that hide others in a layer are names as any other here.
        whiteouts: Whiteouts::Literal,
        ..UnpackOptions::default()
    };
    let (_, tar) = decompress(reader).map_err(file)?;
    unpack(tar, &root, &options).map(drop)
}

/// Whether a tar starts with this block: its checksum is right (POSIX pax, "ustar Interchange Format").
fn is_tar_header(block: &[u8]) -> bool {
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    if block.len() < BLOCK {
        return false;
    }
    let digits = block[CHECKSUM]
        .iter()
        .skip_while(|byte| **byte == b' ')
        .take_while(|byte| byte.is_ascii_digit())
        .fold(None, |value, digit| {
            Some(value.unwrap_or(0) * 8 + u64::from(digit - b'0'))
        });
    let bytes = block.iter().enumerate();
    let sum = bytes
        .map(|(at, byte)| if CHECKSUM.contains(&at) { b' ' } else { *byte })
        .map(u64::from)
        .sum::<u64>();
    digits == Some(sum)
}

/// Reads a file beneath a directory that others filled: its links lead nowhere outside.
pub fn within(directory: &Path, name: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    Root::open(directory)?
        .open_file(name, OFlag::O_RDONLY, 0)?
        .read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A tar of one empty file, by hand.
    fn tar() -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..4].copy_from_slice(b"file");
        block[100..107].copy_from_slice(b"0000644");
        block[108..115].copy_from_slice(b"0000000");
        block[116..123].copy_from_slice(b"0000000");
        block[124..135].copy_from_slice(b"00000000000");
        block[136..147].copy_from_slice(b"00000000000");
        block[148..156].fill(b' ');
        block[156] = b'0';
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block.extend(vec![0; 2 * BLOCK]);
        block
    }

    #[test]
    fn a_tar_is_told_from_a_dockerfile() {
        assert!(is_tar_header(&tar()));
        assert!(!is_tar_header(&[0; BLOCK]));
        assert!(!is_tar_header(&[b'#'; BLOCK]));
        assert!(!is_tar_header(b"FROM scratch\n"));
        match sort(tar().as_slice(), "test").unwrap() {
            Input::Archive(unpacked) => assert!(unpacked.path().join("file").exists()),
            Input::Dockerfile { .. } => panic!("expected an archive"),
        }
        match sort(&b"FROM scratch\n"[..], "test").unwrap() {
            Input::Dockerfile { text, unpacked } => {
                assert_eq!(text, b"FROM scratch\n");
                assert_eq!(fs::read_dir(unpacked.path()).unwrap().count(), 0);
            }
            Input::Archive(_) => panic!("expected a Dockerfile"),
        }
    }

    #[test]
    fn links_of_a_foreign_context_lead_nowhere_outside() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = outside.path().join("secret");
        fs::write(&secret, "secret").unwrap();
        symlink(&secret, inside.path().join("Dockerfile")).unwrap();
        assert!(within(inside.path(), Path::new("Dockerfile")).is_err());
    }
}
