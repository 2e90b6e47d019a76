//! The ssh agents of a build, from `--ssh default|ID=PATH`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::ssh_agent::Agent;
use crate::ssh_key::{PrivateKey, Unusable};

/// The id of a `--ssh` or a mount that names none.
const DEFAULT_ID: &str = "default";

/// BuildKit's client reads no more of a file that may be a key.
const MAX_SIZE: u64 = 100 * 1024;

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
    agents: BTreeMap<String, Agent>,
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
    /// The agents of these `--ssh` values; each must be a socket that exists, or files of keys, which are read now.
    pub fn parse<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut given = Self::default();
        for value in values {
            let value = value.as_ref();
            let refuse = |message: String| Error::SshOption {
                value: value.to_owned(),
                message,
            };
            let SshForward { id, mut paths } = value.parse()?;
            if paths.is_empty() {
                let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty());
                let message = "invalid empty ssh agent socket, make sure SSH_AUTH_SOCK is set";
                paths.push(socket.ok_or_else(|| refuse(message.to_owned()))?.into());
            }
            let agent = agent(&id, &paths).map_err(refuse)?;
            if given.agents.insert(id.clone(), agent).is_some() {
                return Err(refuse(format!("invalid duplicate ID {id}")));
            }
        }
        Ok(given)
    }

    /// Whether one with this id was given.
    pub fn contains(&self, id: &str) -> bool {
        self.agents.contains_key(key(id))
    }

    /// The agent; nothing if it was not given.
    pub(crate) fn agent(&self, id: &str) -> Option<&Agent> {
        self.agents.get(key(id))
    }
}

/// What these paths lead to: one socket, or keys. The reason why not does not name the option.
fn agent(id: &str, paths: &[PathBuf]) -> Result<Agent, String> {
    let mut keys: Vec<PrivateKey> = Vec::new();
    let mut socket = None;
    for path in paths {
        let failed = |error: io::Error| format!("`{}`: {error}", path.display());
        if socket.is_some() {
            return Err("only single socket allowed".to_owned());
        }
        if fs::metadata(path).map_err(failed)?.file_type().is_socket() {
            socket = Some(path);
            continue;
        }
        let file = read(path).map_err(failed)?;
        let key = PrivateKey::parse(&file).map_err(|reason| {
            let hint = match reason {
                Unusable::Passphrase | Unusable::Kind(_) => format!(
                    ": add it to an agent by `ssh-add`, and pass `--ssh {id}=$SSH_AUTH_SOCK`"
                ),
                Unusable::NoKey | Unusable::Damaged => String::new(),
            };
            format!("`{}` {reason}{hint}", path.display())
        })?;
        if !keys.iter().any(|other| other.public() == key.public()) {
            keys.push(key);
        }
    }
    match socket {
        Some(_) if !keys.is_empty() => Err("invalid combination of keys and sockets".to_owned()),
        Some(socket) => Ok(Agent::Socket(socket.clone())),
        None => Ok(Agent::Keys(keys.into())),
    }
}

/// The file may be a pipe, so its size is not known before.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let size = File::open(path)?
        .take(MAX_SIZE + 1)
        .read_to_end(&mut content)? as u64;
    match size > MAX_SIZE {
        true => Err(io::Error::other("it is larger than 100KB, as no key is")),
        false => Ok(content),
    }
}

fn key(id: &str) -> &str {
    if id.is_empty() { DEFAULT_ID } else { id }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::process::Command;

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
    fn agents_are_sockets_or_keys_and_have_ids_of_their_own() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name).display().to_string();
        let _listener = UnixListener::bind(path("agent")).expect("a socket");
        fs::write(path("large"), [b'x'; 100 * 1024 + 1]).expect("a file");
        fs::write(path("text"), "no key").expect("a file");
        for (name, passphrase) in [("key", ""), ("key2", ""), ("locked", "a passphrase")] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", passphrase, "-f", &path(name)])
                .status();
            assert!(made.expect("ssh-keygen runs").success());
        }
        let parse = |values: &[&str]| {
            let values = values.iter().map(|value| {
                let (id, names) = value.split_once('=').expect("a path");
                let paths: Vec<String> = names.split(',').map(path).collect();
                format!("{id}={}", paths.join(","))
            });
            SshAgents::parse(values)
        };

        let agents = parse(&["a=agent", "b=key,key2,key", "c=key"]).expect("agents");
        assert!(agents.contains("a") && !agents.contains("other"));
        assert!(matches!(agents.agent("a"), Some(Agent::Socket(_))));
        let keys = |id| match agents.agent(id) {
            Some(Agent::Keys(keys)) => keys.len(),
            other => panic!("{id} is {other:?}"),
        };
        assert_eq!((keys("b"), keys("c")), (2, 1));

        for (values, expected) in [
            (&["a=absent"][..], "/absent`: No such file"),
            (&["a=."], "`: Is a directory"),
            (&["a=large"], "/large`: it is larger than 100KB"),
            (
                &["a=text"],
                "/text` is neither the socket of an agent nor a private key",
            ),
            (&["a=key.pub"], "/key.pub` is neither"),
            (&["a=key,text"], "/text` is neither"),
            (&["a=locked"], "/locked` is a key with a passphrase"),
            (&["a=locked"], "pass `--ssh a=$SSH_AUTH_SOCK`"),
            (&["a=agent,agent"], "only single socket allowed"),
            (&["a=agent,key"], "only single socket allowed"),
            (&["a=key,agent"], "invalid combination of keys and sockets"),
            (&["a=agent", "a=key"], "invalid duplicate ID a"),
        ] {
            let error = parse(values).expect_err(expected).to_string();
            assert!(error.contains(expected), "{values:?} says `{error}`");
            assert!(error.contains("of `--ssh`"), "{values:?} says `{error}`");
        }
    }
}
