//! Running a program with a time limit, and what it wrote.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::error::{Error, Result};

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Done {
    /// Whether its exit code is 0.
    pub success: bool,
    /// What it wrote on standard output.
    pub stdout: String,
    /// What it wrote on standard error, and why it was killed, if it was.
    pub stderr: String,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Done {
    /// The last lines of what it wrote, standard error last.
    #[must_use]
    pub fn tail(&self) -> String {
        last_lines(&[self.stdout.trim_end(), self.stderr.trim_end()].join("\n"))
    }
}

/// The end of what a program wrote, as much as people want to read.
#[must_use]
pub fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().collect();
    lines[lines.len().saturating_sub(14)..].join("\n")
}

/// Takes from a command all that the person's environment would change.
pub fn clean_environment(command: &mut Command) {
    const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    command
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC");
}

/// Runs a program to its end; one that takes too long is killed, with all that it started.
///
/// # Errors
///
/// It cannot be started, or the file for its standard input cannot be opened.
pub fn run(command: &mut Command, stdin: Option<&Path>, limit: Duration) -> Result<Done> {
    let started = Instant::now();
    let stdin = match stdin {
        Some(path) => File::open(path).map_err(Error::file("open", path))?.into(),
        None => Stdio::null(),
    };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| Error::Start {
            command: show(command),
            error,
        })?;
    let stdout = drain(child.stdout.take());
    let stderr = drain(child.stderr.take());
    let (success, killed) = wait(&mut child, started, limit, &show(command))?;
    let mut done = Done {
        success,
        stdout: text(stdout),
        stderr: text(stderr),
        elapsed: started.elapsed(),
    };
    if killed {
        done.stderr
            .push_str(&format!("\nkilled: it still ran after {limit:?}\n"));
    }
    Ok(done)
}

/// Runs a program that must succeed, and gives its standard output without the line end.
///
/// # Errors
///
/// It cannot be started, or fails.
pub fn require(command: &mut Command, purpose: &'static str) -> Result<String> {
    let done = run(command, None, Duration::from_secs(600))?;
    if done.success {
        return Ok(done.stdout.trim_end().to_owned());
    }
    Err(Error::Command {
        command: show(command),
        purpose,
        output: done.tail(),
    })
}

fn wait(
    child: &mut Child,
    started: Instant,
    limit: Duration,
    command: &str,
) -> Result<(bool, bool)> {
    let mut killed = false;
    loop {
        let status = child.try_wait().map_err(|error| Error::Start {
            command: command.to_owned(),
            error,
        })?;
        if let Some(status) = status {
            return Ok((status.success() && !killed, killed));
        }
        if !killed && started.elapsed() > limit {
            // It may have ended by itself just now.
            let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
            killed = true;
        }
        thread::sleep(Duration::from_millis(4));
    }
}

fn drain(pipe: Option<impl std::io::Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut data = Vec::new();
        if let Some(mut pipe) = pipe {
            // An error ends the output like its end; what was read until then is shown.
            let _ = pipe.read_to_end(&mut data);
        }
        data
    })
}

fn text(reader: thread::JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned()
}

/// The command line, for people.
fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, limit: Duration) -> Done {
        run(Command::new("sh").args(["-c", script]), None, limit).expect("sh starts")
    }

    #[test]
    fn output_and_exit_code_are_told() {
        let done = sh("echo out; echo err >&2; exit 3", Duration::from_secs(20));
        assert!(!done.success);
        assert_eq!(done.tail(), "out\nerr");
    }

    #[test]
    fn what_hangs_is_killed_with_its_children() {
        let done = sh("sleep 100 & wait", Duration::from_millis(50));
        assert!(
            !done.success && done.stderr.contains("still ran"),
            "{done:?}"
        );
        assert!(done.elapsed < Duration::from_secs(20));
    }

    #[test]
    fn what_fails_is_an_error_where_it_must_succeed() {
        let error = require(
            Command::new("sh").args(["-c", "echo why; false"]),
            "is a test",
        )
        .expect_err("it fails");
        assert!(
            error.to_string().ends_with("which is a test:\nwhy"),
            "{error}"
        );
    }
}
