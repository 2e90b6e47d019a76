//! A container while it runs: a process of the runtime, all that descends from it, and what the runtime made for it.
//!
//! The runtime is the first process of a PID namespace, so the kernel kills whatever it started when it ends, even if it is
//! killed itself; and it is killed when this process ends.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stromatekt_kernel::beneath::Root;
use stromatekt_kernel::process::{DetachedMount, Surroundings};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use crate::bundle::{LOG, PID, STATE};
use crate::cgroup::Cgroups;
use crate::error::{Error, Result};
use crate::keeper::Namespaces;
use crate::network::NAMESPACE;
use crate::request::Stream;

/// How much is read at once: what a pipe holds.
const PIECE: usize = 64 << 10;

/// How long the kernel may take to kill everything.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a container is started from.
#[derive(Debug)]
pub struct Start {
    pub runtime: PathBuf,
    /// Where the bundle appears to the runtime.
    pub directory: PathBuf,
    pub name: String,
    /// The control group that its own is made in, where that is another one than the runtime's.
    pub cgroup_parent: Option<String>,
    pub cgroups: Arc<Cgroups>,
}

/// A container that runs. Dropped before it has ended, it is killed, and nothing of it is left.
#[derive(Debug)]
pub struct Container {
    child: Child,
    start: Start,
    ended: bool,
}

impl Container {
    /// Starts the runtime on the keeper's thread, within a tokio runtime.
    pub fn start(
        namespaces: &Namespaces,
        start: Start,
        files: &Root,
        network: Option<&DetachedMount>,
    ) -> io::Result<Self> {
        let mut command = Command::new(&start.runtime);
        command
            .arg("--root")
            .arg(start.directory.join(STATE))
            .arg("--log")
            .arg(start.directory.join(LOG))
            .args(["--log-format", "json", "run", "--pid-file"])
            .arg(start.directory.join(PID))
            .arg("--bundle")
            .arg(&start.directory)
            .arg(&start.name)
            .current_dir("/")
            // What the terminal sends to this process's group, as at Ctrl-C, is not for this one.
            .process_group(0)
            // Some of this process's own environment would reach the container (LISTEN_FDS).
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut surroundings = Surroundings::default();
        surroundings.mount(files, &start.directory)?;
        if let Some(network) = network {
            surroundings.mount(network, &start.directory.join(NAMESPACE))?;
        }
        surroundings.own_proc();
        surroundings.give_to(&mut command);
        let mut command = tokio::process::Command::from(command);
        command.kill_on_drop(true);
        let child = namespaces.with_new_pids(|| command.spawn())?;
        Ok(Self {
            child,
            start,
            ended: false,
        })
    }

    /// Waits for the end, and tells what is written meanwhile. When `cancel` is cancelled, everything is killed.
    pub async fn wait(
        &mut self,
        output: &mut (impl FnMut(Stream, &[u8]) + Send),
        cancel: &CancellationToken,
    ) -> Result<ExitStatus> {
        let mut stdout = Pipe::new(Stream::Stdout, self.child.stdout.take());
        let mut stderr = Pipe::new(Stream::Stderr, self.child.stderr.take());
        // The pipes end with the last process, so the runtime's status is asked for when they have.
        while stdout.is_open() || stderr.is_open() {
            tokio::select! {
                () = cancel.cancelled() => return Err(Error::Cancelled),
                length = stdout.read(), if stdout.is_open() => stdout.tell(length, output),
                length = stderr.read(), if stderr.is_open() => stderr.tell(length, output),
            }
        }
        let status = tokio::select! {
            () = cancel.cancelled() => return Err(Error::Cancelled),
            status = self.child.wait() => status.map_err(|source| Error::Spawn {
                program: self.start.runtime.display().to_string(),
                source,
            })?,
        };
        // Everything is dead.
        self.ended = true;
        Ok(status)
    }

    fn kill(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        // Fails only when it has ended already.
        let _ = self.child.start_kill();
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > deadline {
                tracing::warn!(container = self.start.name, "a container cannot be killed");
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if !self.ended {
            self.kill();
        }
        // The runtime has done that, if it came to its end.
        let parent = self.start.cgroup_parent.as_deref();
        self.start.cgroups.remove(&self.start.name, parent);
    }
}

/// One output of the container.
struct Pipe<R> {
    stream: Stream,
    pipe: Option<R>,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(stream: Stream, pipe: Option<R>) -> Self {
        Self {
            stream,
            pipe,
            buffer: vec![0; PIECE],
        }
    }

    fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    async fn read(&mut self) -> usize {
        match &mut self.pipe {
            // A pipe that cannot be read has ended as well.
            Some(pipe) => pipe.read(&mut self.buffer).await.unwrap_or(0),
            None => 0,
        }
    }

    fn tell(&mut self, length: usize, output: &mut impl FnMut(Stream, &[u8])) {
        match self.buffer.get(..length) {
            Some(piece) if !piece.is_empty() => output(self.stream, piece),
            _ => self.pipe = None,
        }
    }
}

/// Makes the directory of an executor, and tells its path as the kernel has it.
pub fn directory(scratch: &Path) -> Result<PathBuf> {
    let directory = scratch.join("bundle");
    std::fs::create_dir_all(&directory).map_err(Error::file("make the directory", &directory))?;
    directory
        .canonicalize()
        .map_err(Error::file("find", &directory))
}
