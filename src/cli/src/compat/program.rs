//! Other programs, run to their end; a signal to us ends them first.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// How much of what a program wrote is kept: its end.
const MAX_LOG: u64 = 256 << 10;
/// How long a program may take to clean up.
const GRACE: Duration = Duration::from_secs(20);

/// A program to run.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name, or path.
    pub name: OsString,
    /// What it is called for people.
    pub called: String,
    args: Vec<OsString>,
    env: Vec<(&'static str, &'static str)>,
    stdin: Option<PathBuf>,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit status.
    pub status: ExitStatus,
    /// The end of what it wrote on both streams.
    pub log: String,
    /// The end of what it wrote on standard output alone, where both were not wanted in one.
    pub stdout: String,
}

impl Program {
    /// A program without arguments.
    pub fn new(name: impl Into<OsString>) -> Self {
        let name = name.into();
        Self {
            called: name.to_string_lossy().into_owned(),
            name,
            args: Vec::new(),
            env: Vec::new(),
            stdin: None,
        }
    }

    /// More arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        self.args.extend(args);
        self
    }

    /// A variable of its environment.
    pub fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    /// The file that it has as standard input.
    pub fn stdin(mut self, file: Option<&Path>) -> Self {
        self.stdin = file.map(Path::to_owned);
        self
    }

    /// The same, called otherwise for people.
    pub fn called(mut self, called: impl Into<String>) -> Self {
        self.called = called.into();
        self
    }

    /// Whether the program is there, and ends well.
    pub async fn succeeds(self, cancel: &CancellationToken) -> Result<bool> {
        match self.run(cancel).await {
            Ok(ended) => Ok(ended.status.success()),
            Err(Error::NoProgram { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Runs it, and expects it to end well; tells what it wrote on standard output.
    ///
    /// # Errors
    /// When it is not there, or fails: then with the end of what it said.
    pub async fn ok(self, attempt: &str, cancel: &CancellationToken) -> Result<String> {
        let called = self.called.clone();
        let ended = self.run(cancel).await?;
        match ended.status.success() {
            true => Ok(ended.stdout),
            false => Err(Error::Program {
                program: called,
                attempt: attempt.to_owned(),
                said: ended.log.trim().to_owned(),
            }),
        }
    }

    /// Runs it, whatever comes of it.
    ///
    /// # Errors
    /// When it cannot be started, or the person stopped it.
    pub async fn run(self, cancel: &CancellationToken) -> Result<Ended> {
        if cancel.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => Error::NoProgram {
                program: self.called.clone(),
            },
            _ => Error::file("run", &self.name)(source),
        };
        let log = tempfile::tempfile().map_err(Error::file("make a file in", temp()))?;
        let out = tempfile::tempfile().map_err(Error::file("make a file in", temp()))?;
        let clone = |file: &File| {
            file.try_clone()
                .map_err(Error::file("make a file in", temp()))
        };
        let stdin = match &self.stdin {
            Some(path) => Stdio::from(File::open(path).map_err(Error::file("open", path))?),
            None => Stdio::null(),
        };
        let mut child = Command::new(&self.name)
            .args(&self.args)
            .envs(self.env.iter().copied())
            .stdin(stdin)
            .stdout(clone(&out)?)
            .stderr(clone(&log)?)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => None,
            status = child.wait() => Some(status.map_err(Error::file("run", &self.name))?),
        };
        let Some(status) = ended else {
            // It cleans up after itself, as it would without us.
            if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
                // It may have ended in this moment.
                let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
            }
            let _ = tokio::time::timeout(GRACE, child.wait()).await;
            return Err(Error::Interrupted);
        };
        let stdout = end_of(out).map_err(Error::file("read what was written by", &self.name))?;
        let log = end_of(log).map_err(Error::file("read what was written by", &self.name))?;
        Ok(Ended {
            status,
            log: match log.trim().is_empty() {
                true => stdout.clone(),
                false if stdout.trim().is_empty() => log,
                // The classic builder tells its steps on the one, and what is wrong on the other.
                false => format!("{stdout}\n{log}"),
            },
            stdout,
        })
    }
}

fn temp() -> PathBuf {
    std::env::temp_dir()
}

/// The end of a file, as text.
fn end_of(mut file: File) -> io::Result<String> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(MAX_LOG)))?;
    let mut bytes = Vec::new();
    file.take(MAX_LOG).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
