//! The socket of an ssh agent as a step sees it: one of its own, with the wanted owner and mode, that leads to the agent.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use stromatekt_kernel::entry;
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use crate::error::{Error, Result};
use crate::ssh_agent::Agent;

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
            while let Ok((client, _)) = listener.accept().await {
                let agent = agent.clone();
                connections.spawn(async move {
                    if let Err(error) = agent.serve(client).await {
                        tracing::debug!(%error, ?agent, "a connection to the ssh agent broke");
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(())
    }
}
