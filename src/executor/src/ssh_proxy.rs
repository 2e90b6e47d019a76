//! The socket of an ssh agent as a step sees it: one of its own, with the wanted owner and mode, that leads to the agent.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stromatekt_kernel::entry;
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::ssh_agent::Agent;

/// How many connections of a step are served at the same time; more wait. Each is one or two open files of this process.
const MOST: usize = 64;

/// How long to wait before connections are accepted again, where the system had no room for one.
const PAUSE: Duration = Duration::from_millis(50);

/// A socket that nobody listens to yet.
#[derive(Debug)]
pub struct Proxy {
    listener: StdListener,
    name: PathBuf,
    agent: Agent,
}

/// Who may use the socket.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

impl Proxy {
    /// Makes the socket, an entry of `directory`.
    pub fn bind(directory: impl AsFd, name: &OsStr, agent: Agent, access: Access) -> Result<Self> {
        let make = || {
            // The path of a socket may have but 107 bytes; this one is short wherever the directory is.
            let fd = directory.as_fd().as_raw_fd();
            let path = Path::new("/proc/self/fd").join(fd.to_string()).join(name);
            let listener = StdListener::bind(path)?;
            listener.set_nonblocking(true)?;
            entry::fchownat(&directory, name, access.uid, access.gid)?;
            entry::fchmodat(&directory, name, access.mode & 0o777)?;
            Ok::<_, io::Error>(listener)
        };
        Ok(Self {
            listener: make().map_err(Error::file("make the socket of an ssh agent", name))?,
            name: name.into(),
            agent,
        })
    }

    /// Forwards connections as long as `tasks` exists. It must be called within a tokio runtime.
    pub fn serve(self, tasks: &mut JoinSet<()>) -> Result<()> {
        let listener = UnixListener::from_std(self.listener).map_err(Error::file(
            "listen to the socket of an ssh agent",
            self.name,
        ))?;
        let agent = self.agent;
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                while connections.try_join_next().is_some() {}
                if connections.len() >= MOST {
                    connections.join_next().await;
                }
                let client = match listener.accept().await {
                    Ok((client, _)) => client,
                    Err(error) => {
                        tracing::debug!(%error, "a connection to the ssh agent was not accepted");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                };
                let agent = agent.clone();
                connections.spawn(async move {
                    if let Err(error) = agent.serve(client).await {
                        tracing::debug!(%error, ?agent, "a connection to the ssh agent broke");
                    }
                });
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;

    /// Asks for the keys, of which there are none.
    const QUESTION: [u8; 5] = [0, 0, 0, 1, 11];
    const ANSWER: [u8; 9] = [0, 0, 0, 5, 12, 0, 0, 0, 0];

    async fn is_served(client: &mut UnixStream) -> bool {
        let mut answer = [0; ANSWER.len()];
        client.write_all(&QUESTION).await.expect("it is open");
        let read = client.read_exact(&mut answer);
        let read = tokio::time::timeout(Duration::from_millis(500), read).await;
        matches!(read, Ok(Ok(_))) && answer == ANSWER
    }

    #[tokio::test]
    async fn many_connections_are_served_and_more_wait() {
        let directory = tempfile::tempdir().expect("a directory");
        let opened = std::fs::File::open(directory.path()).expect("a directory");
        let access = Access {
            mode: 0o4640,
            uid: nix::unistd::getuid().as_raw(),
            gid: nix::unistd::getgid().as_raw(),
        };
        let keys = Agent::Keys([].into());
        let proxy = Proxy::bind(&opened, OsStr::new("agent"), keys, access).expect("a socket");
        let path = directory.path().join("agent");
        let found = std::fs::metadata(&path).expect("it is there");
        assert_eq!(found.permissions().mode() & 0o7777, 0o640);
        assert_eq!((found.uid(), found.gid()), (access.uid, access.gid));
        let mut tasks = JoinSet::new();
        proxy.serve(&mut tasks).expect("it listens");
        let mut clients = Vec::new();
        for _ in 0..MOST {
            let mut client = UnixStream::connect(&path).await.expect("it listens");
            assert!(is_served(&mut client).await);
            clients.push(client);
        }
        let mut waiting = UnixStream::connect(&path).await.expect("it listens");
        assert!(!is_served(&mut waiting).await, "one too many");
        clients.pop();
        let mut answer = ANSWER;
        answer.fill(0);
        let served = waiting.read_exact(&mut answer);
        let served = tokio::time::timeout(Duration::from_secs(10), served).await;
        assert!(matches!(served, Ok(Ok(_))) && answer == ANSWER, "its turn");
        tasks.shutdown().await;
        assert!(
            UnixStream::connect(&path).await.is_err(),
            "the step has ended"
        );
    }
}
