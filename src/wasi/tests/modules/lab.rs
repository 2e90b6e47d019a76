//! A tree, and modules as text to run on it.

use std::fs;
use std::path::{Path, PathBuf};

use stromatekt_executor::{Outcome, Request, ResolvedMount, Secrets, SshAgents, Stream};
use stromatekt_graph::limits::Limits;
use stromatekt_graph::run::{Executor, Mount, MountSource, Network, Run, Security};
use stromatekt_graph::{Graph, Node, Op};
use stromatekt_wasi::Result;
use tokio_util::sync::CancellationToken;

/// What every module imports, and functions to call them by.
///
/// Memory: 0 is where results go, 16 a buffer's place and length, 1024 and beyond is the test's own.
const PRELUDE: &str = r#"
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (memory (export "memory") 2)
  ;; Writes a text to a descriptor.
  (func $write (param $fd i32) (param $text i32) (param $length i32) (result i32)
    (i32.store (i32.const 16) (local.get $text))
    (i32.store (i32.const 20) (local.get $length))
    (call $fd_write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 0)))
  ;; Ends with the error number, unless it is zero.
  (func $check (param $errno i32)
    (if (local.get $errno) (then (call $proc_exit (local.get $errno)))))
  ;; Opens a path of the first directory, to read where `$how` is 0, and gives the descriptor.
  (func $open (param $how i32) (param $path i32) (param $length i32) (result i32)
    (call $check (call $path_open
      (i32.const 3) (i32.const 1) (local.get $path) (local.get $length) (local.get $how)
      (select (i64.const 0x40) (i64.const 0x2) (local.get $how)) (i64.const 0) (i32.const 0) (i32.const 0)))
    (i32.load (i32.const 0)))
  ;; Tells what is in a file.
  (func $cat (param $path i32) (param $length i32) (local $fd i32)
    (local.set $fd (call $open (i32.const 0) (local.get $path) (local.get $length)))
    (i32.store (i32.const 16) (i32.const 32768))
    (i32.store (i32.const 20) (i32.const 4096))
    (call $check (call $fd_read (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 0)))
    (call $check (call $write (i32.const 1) (i32.const 32768) (i32.load (i32.const 0)))))
"#;

/// A tree.
pub struct Lab {
    directory: tempfile::TempDir,
}

/// How a module ended, with all that it wrote.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A step under construction.
pub struct Step {
    pub run: Run,
    mounts: Vec<ResolvedMount>,
    pub secrets: Secrets,
}

/// The lab; nothing, and a word of why, where tests like these cannot run.
pub fn lab() -> Option<Lab> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: another root directory is for root alone");
        return None;
    }
    let directory = tempfile::tempdir().expect("a directory");
    fs::create_dir(directory.path().join("tree")).expect("a directory");
    fs::write(directory.path().join("outside"), "outside").expect("a file");
    Some(Lab { directory })
}

impl Lab {
    /// A path of the tree.
    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join("tree").join(path)
    }

    /// A path beside the tree.
    pub fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    /// Puts a module in the tree, as `/module.wasm`.
    pub fn module(&self, text: &str) {
        let bytes = wat::parse_str(text).expect("WebAssembly as text");
        fs::write(self.path("module.wasm"), bytes).expect("a file");
    }

    /// Puts a module in the tree whose `_start` is this, with what the prelude has for it.
    pub fn start(&self, body: &str) {
        self.with("", body);
    }

    /// The same, with more beside `_start`: functions and data, and imports before all.
    pub fn with(&self, imports: &str, body: &str) {
        let (body, beside) = body.split_once("---").unwrap_or((body, ""));
        self.module(&format!(
            "(module {imports} {PRELUDE} {beside} (func (export \"_start\") {body}))"
        ));
    }

    pub async fn run(&self, step: Step) -> Ended {
        self.try_run(step).await.expect("a step that can be run")
    }

    pub async fn try_run(&self, step: Step) -> Result<Ended> {
        self.run_until(step, CancellationToken::new()).await
    }

    pub async fn run_until(&self, step: Step, cancel: CancellationToken) -> Result<Ended> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let output = |stream, data: &[u8]| match stream {
            Stream::Stdout => stdout.extend_from_slice(data),
            Stream::Stderr => stderr.extend_from_slice(data),
        };
        let tree = self.path("");
        let request = Request {
            id: "step",
            rootfs: Path::new(&tree),
            run: &step.run,
            mounts: &step.mounts,
            secrets: &step.secrets,
            ssh: &SshAgents::default(),
        };
        let Outcome { exit } = stromatekt_wasi::run(request, output, cancel).await?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Ended {
            exit,
            stdout: text(stdout),
            stderr: text(stderr),
        })
    }
}

/// A step that runs the lab's module.
pub fn module() -> Step {
    exec(&["/module.wasm"])
}

/// A step that runs a module.
pub fn exec(args: &[&str]) -> Step {
    let mut graph = Graph::default();
    let root = graph.add(Node {
        op: Op::Scratch(stromatekt_graph::op::Scratch {}),
        label: String::new(),
        origin: None,
        no_cache: false,
    });
    Step {
        run: Run {
            root: root.expect("a graph of one node"),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            shown: None,
            executor: Executor::Wasi,
            env: Vec::new(),
            proxy_env: Vec::new(),
            cwd: "/".to_owned(),
            user: String::new(),
            groups: Vec::new(),
            mounts: Vec::new(),
            network: Network::Default,
            security: Security::Sandbox,
            extra_hosts: Vec::new(),
            hostname: None,
            limits: Limits::default(),
        },
        mounts: Vec::new(),
        secrets: Secrets::default(),
    }
}

impl Step {
    /// Changes what is run.
    pub fn but(mut self, change: impl FnOnce(&mut Run)) -> Self {
        change(&mut self.run);
        self
    }

    pub fn mount(mut self, target: &str, source: MountSource, resolved: ResolvedMount) -> Self {
        self.run.mounts.push(Mount {
            target: target.to_owned(),
            source,
            read_only: true,
        });
        self.mounts.push(resolved);
        self
    }

    /// The last mount can be written to.
    pub fn writable(mut self) -> Self {
        if let Some(mount) = self.run.mounts.last_mut() {
            mount.read_only = false;
        }
        self
    }
}
