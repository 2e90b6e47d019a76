//! An ssh agent as a step has it: it lists keys and signs, by the keys of a build or by another agent, and does nothing else.
//!
//! A step that could add, remove or lock keys would change the agent of the person who builds, and what other steps see.
//! BuildKit does not hand such requests on to an agent either.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::ssh_key::PrivateKey;
use crate::ssh_wire::{Fields, put_string};

/// Numbers of messages (draft-ietf-sshm-ssh-agent, section 5.1).
const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// OpenSSH takes no larger messages, neither its agent nor its clients.
const MAX_SIZE: usize = 256 * 1024;

/// Who has the keys.
#[derive(Clone, Debug)]
pub enum Agent {
    /// The agent that listens there.
    Socket(PathBuf),
    /// The build itself, which read them from files.
    Keys(Arc<[PrivateKey]>),
}

impl Agent {
    /// Answers what a client asks until it goes.
    pub async fn serve(&self, mut client: UnixStream) -> io::Result<()> {
        let mut other = match self {
            Self::Socket(path) => Some(UnixStream::connect(path).await?),
            Self::Keys(_) => None,
        };
        while let Some(request) = receive(&mut client).await? {
            let answer = match (request.first(), self, &mut other) {
                (Some(&(REQUEST_IDENTITIES | SIGN_REQUEST)), _, Some(other)) => {
                    send(other, &request).await?;
                    receive(other).await?.ok_or(io::ErrorKind::UnexpectedEof)?
                }
                (Some(&REQUEST_IDENTITIES), Self::Keys(keys), _) => identities(keys),
                (Some(&SIGN_REQUEST), Self::Keys(keys), _) => {
                    let keys = keys.clone();
                    let answer = tokio::task::spawn_blocking(move || sign(&keys, &request));
                    answer.await?.unwrap_or_else(|| vec![FAILURE])
                }
                _ => vec![FAILURE],
            };
            send(&mut client, &answer).await?;
        }
        Ok(())
    }
}

fn identities(keys: &[PrivateKey]) -> Vec<u8> {
    let mut answer = vec![IDENTITIES_ANSWER];
    answer.extend((keys.len() as u32).to_be_bytes());
    for key in keys {
        put_string(&mut answer, key.public());
        // BuildKit's keys have no comment either, and steps may write down what they see.
        put_string(&mut answer, b"");
    }
    answer
}

fn sign(keys: &[PrivateKey], request: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Fields(request.get(1..)?);
    let (public, data, flags) = (fields.string()?, fields.string()?, fields.number()?);
    let key = keys.iter().find(|key| key.public() == public)?;
    let mut answer = vec![SIGN_RESPONSE];
    put_string(&mut answer, &key.sign(data, flags)?);
    Some(answer)
}

/// The next message; nothing when the other side is gone.
async fn receive(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let length = match stream.read_u32().await {
        Ok(length) => length as usize,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > MAX_SIZE {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a message of {length} bytes"),
        ));
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    Ok(Some(message))
}

async fn send(stream: &mut UnixStream, message: &[u8]) -> io::Result<()> {
    let mut framed = Vec::with_capacity(4 + message.len());
    put_string(&mut framed, message);
    stream.write_all(&framed).await
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Output, Stdio};

    use tokio::net::UnixListener;
    use tokio::process::Command;

    use super::*;

    async fn openssh(program: &str, arguments: &[&str], directory: &Path) -> Output {
        let mut command = Command::new(program);
        command.current_dir(directory).args(arguments);
        command.env("SSH_AUTH_SOCK", directory.join("socket"));
        let ended = command.stdin(Stdio::null()).output().await;
        ended.unwrap_or_else(|error| panic!("{program} does not run: {error}"))
    }

    /// Serves until the test is at its end.
    fn serve(agent: Agent, directory: &Path) {
        let listener = UnixListener::bind(directory.join("socket")).expect("a socket");
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let agent = agent.clone();
                tokio::spawn(async move { agent.serve(client).await });
            }
        });
    }

    #[tokio::test]
    async fn openssh_verifies_what_keys_of_each_kind_and_format_sign() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut keys = Vec::new();
        let mut files = Vec::new();
        for (kind, bits, formats) in [
            ("ed25519", "256", &["RFC4716"][..]),
            ("ecdsa", "256", &["RFC4716", "PEM", "PKCS8"]),
            ("ecdsa", "384", &["RFC4716", "PEM", "PKCS8"]),
            ("ecdsa", "521", &["RFC4716", "PEM", "PKCS8"]),
            ("rsa", "2048", &["RFC4716", "PEM", "PKCS8"]),
        ] {
            for format in formats {
                let file = format!("{kind}-{bits}-{format}");
                let arguments = [
                    "-q", "-t", kind, "-b", bits, "-m", format, "-N", "", "-f", &file,
                ];
                let made = openssh("ssh-keygen", &arguments, directory.path()).await;
                assert!(made.status.success(), "{file}: {made:?}");
                let content = std::fs::read(directory.path().join(&file)).expect("a key");
                keys.push(PrivateKey::parse(&content).unwrap_or_else(|error| {
                    panic!("{file} {error}");
                }));
                files.push(format!("{file}.pub"));
            }
        }
        serve(Agent::Keys(keys.into()), directory.path());
        for file in files {
            let tested = openssh("ssh-add", &["-T", &file], directory.path()).await;
            assert!(tested.status.success(), "{file}: {tested:?}");
        }
        let listed = openssh("ssh-add", &["-L"], directory.path()).await;
        assert_eq!(listed.stdout.split(|byte| *byte == b'\n').count() - 1, 13);
    }

    /// One byte less in a number of a key is written as one byte less in its file.
    #[tokio::test]
    async fn openssh_verifies_what_keys_with_short_numbers_sign() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut keys = Vec::new();
        for number in 0..12 {
            let file = number.to_string();
            let arguments = ["-q", "-t", "ecdsa", "-b", "521", "-N", "", "-f", &file];
            openssh("ssh-keygen", &arguments, directory.path()).await;
            let content = std::fs::read(directory.path().join(&file)).expect("a key");
            keys.push(PrivateKey::parse(&content).expect("a key"));
        }
        serve(Agent::Keys(keys.into()), directory.path());
        for number in 0..12 {
            let file = format!("{number}.pub");
            let tested = openssh("ssh-add", &["-T", &file], directory.path()).await;
            assert!(tested.status.success(), "{file}: {tested:?}");
        }
    }

    #[tokio::test]
    async fn nobody_adds_removes_or_locks_keys() {
        let directory = tempfile::tempdir().expect("a directory");
        let arguments = ["-q", "-t", "ed25519", "-N", "", "-f", "key"];
        openssh("ssh-keygen", &arguments, directory.path()).await;
        let content = std::fs::read(directory.path().join("key")).expect("a key");
        let key = PrivateKey::parse(&content).expect("a key");
        // A real agent, which would do all of it.
        let other = directory.path().join("other");
        let mut agent = Command::new("ssh-agent");
        agent.arg("-D").arg("-a").arg(&other).kill_on_drop(true);
        let _agent = agent.stdout(Stdio::null()).spawn().expect("ssh-agent runs");
        while UnixStream::connect(&other).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let added = Command::new("ssh-add")
            .args(["-q", "key"])
            .current_dir(directory.path())
            .env("SSH_AUTH_SOCK", &other)
            .status();
        assert!(added.await.expect("ssh-add runs").success());

        for agent in [Agent::Keys([key].into()), Agent::Socket(other)] {
            let _ = std::fs::remove_file(directory.path().join("socket"));
            serve(agent.clone(), directory.path());
            for arguments in [&["key"][..], &["-d", "key"], &["-D"]] {
                let refused = openssh("ssh-add", arguments, directory.path()).await;
                assert!(!refused.status.success(), "{agent:?}, {arguments:?}");
            }
            // Locking, unlocking, extensions, a message without content, one of a number that nothing has.
            for message in [&[22, 0, 0, 0, 1, b'x'][..], &[23], &[27], &[], &[250]] {
                let socket = directory.path().join("socket");
                let mut client = UnixStream::connect(socket).await.expect("a listener");
                send(&mut client, message).await.expect("it listens");
                let answer = receive(&mut client).await.expect("it answers");
                assert_eq!(answer, Some(vec![FAILURE]), "{agent:?}, {message:?}");
            }
            let tested = openssh("ssh-add", &["-T", "key.pub"], directory.path()).await;
            assert!(tested.status.success(), "{agent:?}: {tested:?}");
        }
    }

    #[tokio::test]
    async fn what_is_too_large_or_cannot_be_signed_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let arguments = ["-q", "-t", "ed25519", "-N", "", "-f", "key"];
        openssh("ssh-keygen", &arguments, directory.path()).await;
        let content = std::fs::read(directory.path().join("key")).expect("a key");
        let key = PrivateKey::parse(&content).expect("a key");
        let request = |public: &[u8], flags: u32| {
            let mut request = vec![SIGN_REQUEST];
            put_string(&mut request, public);
            put_string(&mut request, b"data");
            request.extend(flags.to_be_bytes());
            request
        };
        let good = request(key.public(), 0);
        let cases = [
            (good.clone(), SIGN_RESPONSE),
            (good[..good.len() - 1].to_vec(), FAILURE),
            (request(b"another", 0), FAILURE),
            // Flags are for keys of RSA.
            (request(key.public(), 2), FAILURE),
        ];
        serve(Agent::Keys([key].into()), directory.path());
        let socket = directory.path().join("socket");
        let mut client = UnixStream::connect(socket).await.expect("a listener");
        for (request, expected) in cases {
            send(&mut client, &request).await.expect("it listens");
            let answer = receive(&mut client).await.expect("it answers");
            assert_eq!(answer.expect("an answer")[0], expected, "{request:?}");
        }
        client.write_u32(u32::MAX).await.expect("it listens");
        assert_eq!(receive(&mut client).await.expect("it is closed"), None);
    }
}
