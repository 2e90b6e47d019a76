//! One `stromatekt build`.

use std::ffi::{OsStr, OsString};

use tempfile::TempDir;

use crate::command::{Outcome, Running};
use crate::image::Image;
use crate::lab::{Cli, Lab};
use crate::rootfs::Rootfs;

/// A build that is being described; its progress is plain.
pub struct Build<'lab> {
    cli: Cli,
    context: OsString,
    lab: std::marker::PhantomData<&'lab Lab>,
}

impl<'lab> Build<'lab> {
    pub(crate) fn new(lab: &'lab Lab, context: OsString) -> Self {
        Self {
            cli: lab.stromatekt(["build", "--progress", "plain"]),
            context,
            lab: std::marker::PhantomData,
        }
    }

    /// More arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.cli = self.cli.args(args);
        self
    }

    /// `--build-arg`.
    pub fn build_arg(self, arg: &str) -> Self {
        self.args(["--build-arg", arg])
    }

    /// `-o`.
    pub fn output(self, output: impl AsRef<OsStr>) -> Self {
        self.args([OsStr::new("-o"), output.as_ref()])
    }

    /// An environment variable of the command.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.cli = self.cli.env(name, value);
        self
    }

    /// What it reads on standard input.
    pub fn stdin(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.cli = self.cli.stdin(data);
        self
    }

    /// Starts it.
    #[track_caller]
    pub fn start(self) -> Running {
        self.cli.arg(self.context).start()
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.cli.arg(self.context).run()
    }

    /// Runs it, and expects it to succeed.
    #[track_caller]
    pub fn ok(self) -> Outcome {
        self.run().ok()
    }

    /// Runs it, and expects it to fail with a report.
    #[track_caller]
    pub fn fails(self) -> Outcome {
        self.run().failed()
    }

    /// Runs it, and reads the image that it made, through an OCI layout.
    #[track_caller]
    pub fn image(self) -> Image {
        self.image_and_outcome().0
    }

    /// Runs it, and reads the image that it made, and what it said.
    #[track_caller]
    pub fn image_and_outcome(self) -> (Image, Outcome) {
        let directory = TempDir::new().expect("there is room for a temporary directory");
        let layout = directory.path().join("layout");
        let mut output = OsString::from("type=oci,tar=false,dest=");
        output.push(&layout);
        let outcome = self.output(output).ok();
        (Image::read(&layout), outcome)
    }

    /// Runs it, and reads the root filesystem that it made.
    #[track_caller]
    pub fn rootfs(self) -> Rootfs {
        self.image().rootfs()
    }
}
