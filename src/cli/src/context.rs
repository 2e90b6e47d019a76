//! CONTEXT and `--file`: where the Dockerfile's text and the files of a build come from.

use std::cell::OnceCell;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stromatekt_dockerfile::git_url;
use stromatekt_engine::events::Outcome;
use stromatekt_engine::{LocalContext, Owners};
use stromatekt_files::{IgnoreFilter, IgnoreRules};
use stromatekt_graph::op::Git;

use crate::context_files::{Fetch, Input, Unpacked, within};
use crate::error::{DockerfileText, Error, Result};
use crate::prepare::is_pipeline;

/// The name of a Dockerfile that nobody names; it may be in lower case, too.
const DEFAULT_NAME: &str = "Dockerfile";
const IGNORE_FILE: &str = ".dockerignore";
/// What a file that was fetched is called in its context, as with BuildKit.
pub const FETCHED_NAME: &str = "context";

/// What CONTEXT names.
#[derive(Clone, Debug)]
pub enum Place {
    /// A directory of this machine.
    Directory(PathBuf),
    /// `-`: a tar, or a Dockerfile.
    StandardInput,
    /// A git repository.
    Git(Git),
    /// A tar or a Dockerfile on a web server.
    Url(String),
}

/// A Dockerfile, and the files that it may copy.
pub struct Context {
    /// The Dockerfile.
    pub dockerfile: DockerfileText,
    /// The files.
    directory: PathBuf,
    /// Where patterns of files that are not seen may be; the first that is there counts.
    ignore_files: Vec<PathBuf>,
    /// Whose they are.
    owners: Owners,
    /// The patterns, once they were read.
    rules: OnceCell<Option<IgnoreRules>>,
    /// What is removed in the end.
    unpacked: Option<Unpacked>,
}

impl Place {
    /// Understands CONTEXT. A directory that is there wins over all else that it could mean.
    ///
    /// # Errors
    /// When it is nothing that there is.
    pub fn find(context: &OsStr) -> Result<Self> {
        let path = Path::new(context);
        if context == "-" {
            return Ok(Self::StandardInput);
        }
        if path.is_dir() {
            return Ok(Self::Directory(path.to_owned()));
        }
        let text = context.to_string_lossy();
        match git_url::parse_context(&text) {
            Some(Ok(git)) => return Ok(Self::Git(git.git)),
            Some(Err(reason)) => {
                return Err(Error::Option {
                    option: "CONTEXT",
                    value: text.into_owned(),
                    reason,
                    hint: Some("write it as https://HOST/NAME.git#REF:DIRECTORY".into()),
                });
            }
            None if is_url(&text) => return Ok(Self::Url(text.into_owned())),
            None => {}
        }
        let (reason, hint) = match path.exists() {
            true => (
                "is no directory",
                "name the Dockerfile with --file, and its directory as the context",
            ),
            false => (
                "is not there",
                "a context is a directory, a git repository, the URL of a tar or Dockerfile, or `-`",
            ),
        };
        Err(Error::Context {
            path: path.to_owned(),
            reason,
            hint,
        })
    }

    /// Reads the Dockerfile, and fetches the files where they are not on this machine.
    ///
    /// # Errors
    /// When one of them is not there or cannot be read.
    pub async fn open(self, file: Option<&OsString>, fetch: &Fetch<'_>) -> Result<Context> {
        match self {
            Self::Directory(directory) => Self::open_directory(directory, file, fetch).await,
            Self::StandardInput => Self::open_input(file, fetch).await,
            Self::Git(git) => Self::open_unpacked(fetch.git(&git).await?, file, fetch).await,
            Self::Url(url) => match fetch.url(&url).await? {
                Input::Archive(unpacked) => {
                    let context = Self::open_unpacked(unpacked, file, fetch).await?;
                    Ok(Context {
                        owners: Owners::Kept,
                        ..context
                    })
                }
                Input::Dockerfile { text, unpacked } => {
                    if file.is_some() {
                        return Err(two_dockerfiles("the URL"));
                    }
                    Ok(Context::of(unpacked, shown(fetch, FETCHED_NAME, &text)))
                }
            },
        }
    }

    async fn open_directory(
        directory: PathBuf,
        file: Option<&OsString>,
        fetch: &Fetch<'_>,
    ) -> Result<Context> {
        let mut ignore_files = Vec::new();
        let dockerfile = match file {
            Some(file) if file == "-" => text_of_input(fetch).await?,
            Some(file) if is_url(&file.to_string_lossy()) => text_of_url(file, fetch).await?,
            file => {
                let (path, name) = match file {
                    Some(file) => (PathBuf::from(file), file.to_string_lossy().into_owned()),
                    None => (directory.join(DEFAULT_NAME), DEFAULT_NAME.to_owned()),
                };
                let text = read(&path, |path| fs::read(path))?;
                let mut own = path.into_os_string();
                own.push(IGNORE_FILE);
                ignore_files.push(own.into());
                shown(fetch, &name, &text)
            }
        };
        ignore_files.push(directory.join(IGNORE_FILE));
        Ok(Context {
            dockerfile,
            directory,
            ignore_files,
            owners: Owners::Root,
            rules: OnceCell::new(),
            unpacked: None,
        })
    }

    async fn open_input(file: Option<&OsString>, fetch: &Fetch<'_>) -> Result<Context> {
        if file.is_some_and(|file| file == "-") {
            return Err(Error::Usage {
                what: "both the context and the Dockerfile are to come from standard input".into(),
                hint: "give one of them a name; a Dockerfile alone needs no --file".into(),
            });
        }
        match fetch.input().await? {
            Input::Archive(unpacked) => {
                let context = Self::open_unpacked(unpacked, file, fetch).await?;
                Ok(Context {
                    owners: Owners::Kept,
                    ..context
                })
            }
            Input::Dockerfile { .. } if file.is_some() => Err(two_dockerfiles("standard input")),
            Input::Dockerfile { text, unpacked } => {
                Ok(Context::of(unpacked, shown(fetch, DEFAULT_NAME, &text)))
            }
        }
    }

    /// Files that came from elsewhere: `--file` is a path among them, unless it is absolute.
    async fn open_unpacked(
        unpacked: Unpacked,
        file: Option<&OsString>,
        fetch: &Fetch<'_>,
    ) -> Result<Context> {
        let dockerfile = match file {
            Some(file) if file == "-" => text_of_input(fetch).await?,
            Some(file) if is_url(&file.to_string_lossy()) => text_of_url(file, fetch).await?,
            Some(file) if Path::new(file).is_absolute() => shown(
                fetch,
                &file.to_string_lossy(),
                &read(Path::new(file), |path| fs::read(path))?,
            ),
            file => {
                let name = file.map_or(Path::new(DEFAULT_NAME), Path::new);
                let text = read(name, |name| within(unpacked.path(), name))?;
                shown(fetch, &name.to_string_lossy(), &text)
            }
        };
        Ok(Context::of(unpacked, dockerfile))
    }
}

impl Context {
    /// When a context was made that came from elsewhere, in seconds since 1970.
    pub fn time(&self) -> Option<i64> {
        self.unpacked.as_ref().and_then(Unpacked::time)
    }

    /// The directory of a context that was fetched: what it names must be in there.
    pub fn came_from_elsewhere(&self) -> Option<&Path> {
        self.unpacked.as_ref().map(Unpacked::path)
    }

    /// BuildKit reads no ignore file where the context came from elsewhere.
    fn of(unpacked: Unpacked, dockerfile: DockerfileText) -> Self {
        Self {
            dockerfile,
            directory: unpacked.path().to_owned(),
            ignore_files: Vec::new(),
            owners: Owners::Root,
            rules: OnceCell::new(),
            unpacked: Some(unpacked),
        }
    }

    /// The patterns of the ignore file, where there is one with some. It is read once.
    ///
    /// # Errors
    /// When the ignore file cannot be read or understood.
    pub fn rules(&self, fetch: &Fetch<'_>) -> Result<Option<&IgnoreRules>> {
        if let Some(rules) = self.rules.get() {
            return Ok(rules.as_ref());
        }
        let rules = ignore(&self.ignore_files, fetch)?;
        Ok(self.rules.get_or_init(|| rules).as_ref())
    }

    /// Whether a source, as it is written in the end, names what the ignore file leaves out. What is wrong with the file is told by who
    /// reads the files.
    pub fn leaves_out(&self, source: &str, fetch: &Fetch<'_>) -> bool {
        let rules = self.rules(fetch).ok().flatten();
        rules.is_some_and(|rules| rules.leaves_out(source))
    }

    /// The files, without those that the ignore file hides.
    ///
    /// # Errors
    /// When the ignore file cannot be read or understood.
    pub fn local(&self, fetch: &Fetch<'_>) -> Result<LocalContext> {
        let rules = self.rules(fetch)?.cloned();
        Ok(LocalContext {
            path: self.directory.clone(),
            ignore: rules.map(filter),
            owners: self.owners,
        })
    }
}

/// The directory of a named context: it has an ignore file of its own.
///
/// # Errors
/// When the ignore file cannot be read or understood.
pub fn named(directory: &Path, fetch: &Fetch<'_>) -> Result<LocalContext> {
    Ok(LocalContext {
        path: directory.to_owned(),
        ignore: ignore(&[directory.join(IGNORE_FILE)], fetch)?.map(filter),
        owners: Owners::Root,
    })
}

fn filter(rules: IgnoreRules) -> Arc<dyn IgnoreFilter> {
    Arc::new(rules)
}

fn ignore(files: &[PathBuf], fetch: &Fetch<'_>) -> Result<Option<IgnoreRules>> {
    for path in files {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(Error::file("read", path)(source)),
        };
        let vertex = fetch
            .events
            .start(&format!("[internal] load {IGNORE_FILE}"));
        vertex
            .status("transferring context:")
            .done(text.len() as u64);
        vertex.complete(Outcome::Done);
        let rules = IgnoreRules::parse(&String::from_utf8_lossy(&text)).map_err(|source| {
            Error::IgnoreFile {
                path: path.clone(),
                source,
            }
        })?;
        return Ok((!rules.is_empty()).then_some(rules));
    }
    Ok(None)
}

/// Reads a Dockerfile; where `Dockerfile` is not there, `dockerfile` is taken, as docker does.
fn read(path: &Path, read: impl Fn(&Path) -> io::Result<Vec<u8>>) -> Result<Vec<u8>> {
    let source = match read(path) {
        Ok(text) => return Ok(text),
        Err(source) => source,
    };
    if source.kind() == io::ErrorKind::NotFound
        && path.file_name().is_some_and(|name| name == DEFAULT_NAME)
        && let Ok(text) = read(&path.with_file_name(DEFAULT_NAME.to_lowercase()))
    {
        return Ok(text);
    }
    let action = match is_pipeline(Some(path.as_os_str())) {
        true => "read the pipeline",
        false => "read the Dockerfile",
    };
    Err(Error::file(action, path)(source))
}

async fn text_of_input(fetch: &Fetch<'_>) -> Result<DockerfileText> {
    let text = fetch.rest_of_input().await?;
    Ok(shown(fetch, DEFAULT_NAME, &text))
}

async fn text_of_url(url: &OsStr, fetch: &Fetch<'_>) -> Result<DockerfileText> {
    let text = fetch.file(&url.to_string_lossy()).await?;
    Ok(shown(fetch, DEFAULT_NAME, &text))
}

/// Tells that the Dockerfile was read.
fn shown(fetch: &Fetch<'_>, name: &str, text: &[u8]) -> DockerfileText {
    let vertex = fetch
        .events
        .start(&format!("[internal] load build definition from {name}"));
    vertex
        .status("transferring dockerfile:")
        .done(text.len() as u64);
    vertex.complete(Outcome::Done);
    DockerfileText {
        name: name.into(),
        text: String::from_utf8_lossy(text).into(),
    }
}

fn two_dockerfiles(other: &str) -> Error {
    Error::Usage {
        what: format!("both {other} and --file name a Dockerfile"),
        hint: "leave --file out".into(),
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_told_apart() {
        let kind = |text: &str| match Place::find(OsStr::new(text)) {
            Ok(Place::Directory(path)) => format!("directory {}", path.display()),
            Ok(Place::StandardInput) => "input".to_owned(),
            Ok(Place::Git(git)) => format!("git {} {:?}", git.remote, git.reference),
            Ok(Place::Url(url)) => format!("url {url}"),
            Err(error) => error.to_string(),
        };
        for (text, expected) in [
            ("/", "directory /"),
            ("-", "input"),
            (
                "https://example.org/a.git#v1",
                "git https://example.org/a.git Some(\"v1\")",
            ),
            ("git@example.org:a.git", "git git@example.org:a.git None"),
            (
                "github.com/user/name#v1",
                "git https://github.com/user/name Some(\"v1\")",
            ),
            (
                "github.com/user/name.git",
                "git https://github.com/user/name.git None",
            ),
            (
                "https://example.org/a.tar.gz",
                "url https://example.org/a.tar.gz",
            ),
            (
                "/no/such/context",
                "the context /no/such/context is not there",
            ),
            ("/dev/null", "the context /dev/null is no directory"),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn a_dockerfile_may_be_in_lower_case() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("dockerfile"), "lower").unwrap();
        let path = directory.path().join(DEFAULT_NAME);
        assert_eq!(read(&path, |path| fs::read(path)).unwrap(), b"lower");
        fs::write(&path, "upper").unwrap();
        assert_eq!(read(&path, |path| fs::read(path)).unwrap(), b"upper");
        let error = read(&directory.path().join("Nope"), |path| fs::read(path)).unwrap_err();
        assert!(error.to_string().contains("Nope"), "{error}");
    }
}
