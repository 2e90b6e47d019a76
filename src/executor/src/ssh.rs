//! The ssh agents of a build, from `--ssh default|ID=PATH`.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, Result};

/// The id of a `--ssh` or a mount that names none.
const DEFAULT_ID: &str = "default";

/// One `--ssh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshForward {
    /// What steps ask for.
    pub id: String,
    /// The agent's socket, or key files; empty for the agent of `SSH_AUTH_SOCK`.
    pub paths: Vec<PathBuf>,
}

/// The ssh agents that were given to a build, by id.
#[derive(Clone, Debug, Default)]
pub struct SshAgents {
    sockets: BTreeMap<String, PathBuf>,
}

impl FromStr for SshForward {
    type Err = Error;

    /// Understands what buildx does: `ID`, `ID=PATH[,PATH]…`.
    fn from_str(value: &str) -> Result<Self> {
        let (id, paths) = match value.split_once('=') {
            Some((id, paths)) => (id, paths),
            None => (value, ""),
        };
        let id = if id.is_empty() { DEFAULT_ID } else { id };
        let paths = paths.split(',').filter(|path| !path.is_empty());
        Ok(Self {
            id: id.to_owned(),
            paths: paths.map(PathBuf::from).collect(),
        })
    }
}

impl SshAgents {
    /// The agents of these `--ssh` values; each must be a socket that exists.
    pub fn parse<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut agents = Self::default();
        for value in values {
            let value = value.as_ref();
            let refuse = |message: String| Error::SshOption {
                value: value.to_owned(),
                message,
            };
            let forward: SshForward = value.parse()?;
            let socket = match forward.paths.as_slice() {
                [] => std::env::var_os("SSH_AUTH_SOCK")
                    .filter(|socket| !socket.is_empty())
                    .map(PathBuf::from)
                    .ok_or_else(|| {
                        refuse(
                            "invalid empty ssh agent socket, make sure SSH_AUTH_SOCK is set"
                                .to_owned(),
                        )
                    })?,
                [path] => path.clone(),
                [first, ..] if is_socket(first)? => {
                    return Err(refuse("only single socket allowed".to_owned()));
                }
                [first, ..] => first.clone(),
            };
            if !is_socket(&socket)? {
                return Err(refuse(format!(
                    "`{}` is no socket of an agent, and keys are not read from files: start one with `eval $(ssh-agent)`, \
                     add the key with `ssh-add`, and pass `--ssh {}=$SSH_AUTH_SOCK`",
                    socket.display(),
                    forward.id
                )));
            }
            if agents.sockets.insert(forward.id.clone(), socket).is_some() {
                return Err(refuse(format!("invalid duplicate ID {}", forward.id)));
            }
        }
        Ok(agents)
    }

    /// Whether one with this id was given.
    pub fn contains(&self, id: &str) -> bool {
        self.sockets.contains_key(key(id))
    }

    /// The socket of the agent; nothing if it was not given.
    pub(crate) fn socket(&self, id: &str) -> Option<&Path> {
        self.sockets.get(key(id)).map(PathBuf::as_path)
    }
}

fn key(id: &str) -> &str {
    if id.is_empty() { DEFAULT_ID } else { id }
}

fn is_socket(path: &Path) -> Result<bool> {
    let metadata = std::fs::metadata(path).map_err(Error::file("look at the ssh agent", path))?;
    Ok(metadata.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_buildx_reads_them() {
        let cases: [(&str, &str, &[&str]); 5] = [
            ("default", "default", &[]),
            ("", "default", &[]),
            ("=/s", "default", &["/s"]),
            ("github=/run/agent", "github", &["/run/agent"]),
            ("k=a,b", "k", &["a", "b"]),
        ];
        for (value, id, paths) in cases {
            let forward: SshForward = value.parse().expect(value);
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            assert_eq!((forward.id.as_str(), forward.paths), (id, paths), "{value}");
        }
    }

    #[test]
    fn agents_must_be_sockets_and_have_ids_of_their_own() {
        let dir = tempfile::tempdir().expect("a directory");
        let (socket, file) = (dir.path().join("agent"), dir.path().join("key"));
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        std::fs::write(&file, "key").expect("a file");
        let (socket, file) = (socket.display().to_string(), file.display().to_string());

        let agents = SshAgents::parse([format!("a={socket}")]).expect("a socket is an agent");
        assert!(agents.contains("a") && !agents.contains("b"));
        let cases = [
            (vec![format!("a={file}")], "no socket of an agent"),
            (vec![format!("a={socket},{socket}")], "only single socket"),
            (
                vec![format!("a={socket}"), format!("a={socket}")],
                "duplicate ID a",
            ),
        ];
        for (values, expected) in cases {
            let error = SshAgents::parse(&values).expect_err(expected).to_string();
            assert!(error.contains(expected), "{values:?} says `{error}`");
        }
    }
}
