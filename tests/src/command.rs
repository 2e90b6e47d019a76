//! Running a command with a time limit, and its outcome.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// No command of a test takes this long; one that does hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// How a command ended, and what it wrote.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The command line, to be shown when an expectation fails.
    pub command: String,
    /// Its exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
    /// How long it ran.
    pub elapsed: Duration,
}

impl Outcome {
    /// Standard output as text, without the line end.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout)
            .expect("the output is UTF-8")
            .trim_end_matches('\n')
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_slice(&self.stdout) {
            Ok(value) => value,
            Err(error) => panic!("the output is not JSON: {error}\n{self}"),
        }
    }

    /// Expects the exit code 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.code == Some(0), "expected success:\n{self}");
        self
    }

    /// Expects an exit code other than 0, from the program itself rather than from a signal or a panic.
    #[track_caller]
    pub fn failed(self) -> Self {
        assert!(
            matches!(self.code, Some(code) if code != 0 && code != 101),
            "expected a failure that is reported:\n{self}"
        );
        assert!(
            !self.stderr.contains("panicked at"),
            "expected a report, not a panic:\n{self}"
        );
        self
    }

    /// Expects that standard error has each of these texts somewhere.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(
                self.stderr.contains(text),
                "expected {text:?} on standard error:\n{self}"
            );
        }
        self
    }

    /// Expects that standard error points at a line of a file, shows its source, and marks a place in it.
    #[track_caller]
    pub fn points_at(self, place: &str, source: &str) -> Self {
        assert!(
            self.stderr.contains(place),
            "expected an error at {place}:\n{self}"
        );
        assert!(
            self.stderr.contains(source),
            "expected the source line {source:?}:\n{self}"
        );
        assert!(
            self.stderr.contains('^'),
            "expected a caret under the source line:\n{self}"
        );
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self
            .code
            .map_or("a signal".to_owned(), |code| format!("exit code {code}"));
        writeln!(f, "$ {}\n{code} after {:.2?}", self.command, self.elapsed)?;
        writeln!(
            f,
            "--- stdout\n{}",
            String::from_utf8_lossy(&self.stdout).trim_end()
        )?;
        write!(f, "--- stderr\n{}", self.stderr.trim_end())
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command, stdin: Option<Vec<u8>>) -> Outcome {
    Running::start(command, stdin).wait()
}

/// Runs a program with these arguments to its end.
#[track_caller]
pub fn program(program: &str, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Outcome {
    run(Command::new(program).args(args), None)
}

/// A command that was started.
pub struct Running {
    child: Child,
    line: String,
    started: Instant,
    stdout: thread::JoinHandle<Vec<u8>>,
    stderr: thread::JoinHandle<Vec<u8>>,
}

impl Running {
    /// Starts a command.
    #[track_caller]
    pub fn start(command: &mut Command, stdin: Option<Vec<u8>>) -> Self {
        let line = show(command);
        command
            .stdin(if stdin.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("{line}: {error}"),
        };
        if let (Some(data), Some(mut pipe)) = (stdin, child.stdin.take()) {
            // A program that fails early does not read all of it.
            thread::spawn(move || drop(pipe.write_all(&data)));
        }
        let stdout = drain(child.stdout.take());
        let stderr = drain(child.stderr.take());
        Self {
            child,
            line,
            started: Instant::now(),
            stdout,
            stderr,
        }
    }

    /// The process id.
    pub fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.child.id().cast_signed())
    }

    /// Sends a signal to the process.
    #[track_caller]
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(self.pid(), signal).expect("the process is there to be signalled");
    }

    /// Waits for its end; a process that runs too long is killed, and the test fails.
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                break status;
            }
            if self.started.elapsed() > LIMIT {
                let _ = self.child.kill();
                panic!("{} still ran after {LIMIT:?}", self.line);
            }
            thread::sleep(Duration::from_millis(3));
        };
        Outcome {
            command: self.line,
            code: status.code(),
            stdout: self.stdout.join().expect("the reader of stdout ends"),
            stderr: String::from_utf8_lossy(
                &self.stderr.join().expect("the reader of stderr ends"),
            )
            .into_owned(),
            elapsed: self.started.elapsed(),
        }
    }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut data = Vec::new();
        if let Some(mut pipe) = pipe {
            // An error ends the output like its end; what was read until then is shown.
            let _ = pipe.read_to_end(&mut data);
        }
        data
    })
}

fn show(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        let _ = write!(line, " {}", arg.to_string_lossy());
    }
    line
}
