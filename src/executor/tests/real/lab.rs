//! A busybox tree, an executor, and steps to run on them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stromatekt_executor::{
    Config, Executor, Outcome, Request, ResolvedMount, Result, Secrets, SshAgents, Stream,
};
use stromatekt_graph::limits::Limits;
use stromatekt_graph::run::{self, Mount, MountSource, Network, Run, Security};
use stromatekt_graph::{Graph, Node, NodeId, Op};
use tokio_util::sync::CancellationToken;

/// A directory with a tree in it, and an executor.
pub struct Lab {
    pub directory: tempfile::TempDir,
    pub executor: Arc<Executor>,
}

/// A step under construction.
pub struct Step {
    pub run: Run,
    pub mounts: Vec<ResolvedMount>,
    pub secrets: Secrets,
    pub ssh: SshAgents,
}

/// How a step ended, with all that it wrote.
#[derive(Debug)]
pub struct Ended {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Path, mode, owner, size, and the time in nanoseconds.
pub type Listing = BTreeMap<PathBuf, (u32, u32, u32, u64, i128)>;

/// The lab; nothing, and a word of why, where tests like these cannot run.
pub fn lab() -> Option<Lab> {
    if !nix::unistd::geteuid().is_root() {
        println!("skipped: containers are for root alone");
        return None;
    }
    for program in ["/bin/busybox", "/usr/sbin/runc"] {
        if !Path::new(program).exists() {
            println!("skipped: there is no {program}");
            return None;
        }
    }
    let directory = tempfile::tempdir().expect("a directory");
    let lab = Lab {
        executor: executor(directory.path()),
        directory,
    };
    lab.make_tree();
    Some(lab)
}

pub fn executor(directory: &Path) -> Arc<Executor> {
    let config = Config {
        runtime: "runc".into(),
        scratch: directory.join("scratch"),
    };
    Arc::new(Executor::new(config).expect("an executor"))
}

/// Some node, as the root of steps and as the source of mounts.
pub fn node() -> NodeId {
    Graph::default()
        .add(Node {
            op: Op::Scratch(stromatekt_graph::op::Scratch {}),
            label: String::new(),
            origin: None,
            no_cache: false,
        })
        .expect("a graph of one node")
}

impl Lab {
    pub fn tree(&self) -> PathBuf {
        self.directory.path().join("tree")
    }

    fn make_tree(&self) {
        let tree = self.tree();
        for directory in ["bin", "dev", "etc", "proc", "sys", "tmp", "home/worker"] {
            fs::create_dir_all(tree.join(directory)).expect("a directory");
        }
        fs::copy("/bin/busybox", tree.join("bin/busybox")).expect("busybox");
        for applet in [
            "sh", "cat", "chmod", "chown", "env", "grep", "head", "hostname", "id", "ip", "kill",
            "ls", "mkdir", "mknod", "mount", "nc", "nslookup", "pwd", "readlink", "rm", "seq",
            "sleep", "stat", "timeout", "touch", "true", "umask", "unshare", "wc", "wget",
        ] {
            symlink("busybox", tree.join("bin").join(applet)).expect("a link");
        }
        let users = "root:x:0:0::/root:/bin/sh\nworker:x:1000:1000::/home/worker:/bin/sh\n";
        fs::write(tree.join("etc/passwd"), users).expect("a file");
        let groups = "root:x:0:\nvideo:x:44:worker\nworker:x:1000:\n";
        fs::write(tree.join("etc/group"), groups).expect("a file");
        let old =
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_nanos(86_400_000_000_123);
        for directory in ["etc", "tmp", "bin", "home", ""] {
            let opened = fs::File::open(tree.join(directory)).expect("a directory");
            let times = fs::FileTimes::new().set_modified(old);
            opened.set_times(times).expect("times");
        }
    }

    /// All of the tree.
    pub fn listing(&self) -> Listing {
        let mut found = Listing::new();
        let mut rest = vec![self.tree()];
        while let Some(path) = rest.pop() {
            let stat = fs::symlink_metadata(&path).expect("an entry");
            if stat.is_dir() {
                for entry in fs::read_dir(&path).expect("a directory") {
                    rest.push(entry.expect("an entry").path());
                }
            }
            let time = i128::from(stat.mtime()) * 1_000_000_000 + i128::from(stat.mtime_nsec());
            let name = path.strip_prefix(self.tree()).expect("beneath").to_owned();
            let size = if stat.is_dir() { 0 } else { stat.size() };
            let mode = stat.permissions().mode();
            found.insert(name, (mode, stat.uid(), stat.gid(), size, time));
        }
        found
    }

    pub async fn run(&self, step: Step) -> Ended {
        self.try_run(step).await.expect("a step that can be run")
    }

    pub async fn try_run(&self, step: Step) -> Result<Ended> {
        run(&self.executor, &self.tree(), step, CancellationToken::new()).await
    }
}

pub async fn run(
    executor: &Executor,
    rootfs: &Path,
    step: Step,
    cancel: CancellationToken,
) -> Result<Ended> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let output = |stream, data: &[u8]| match stream {
        Stream::Stdout => stdout.extend_from_slice(data),
        Stream::Stderr => stderr.extend_from_slice(data),
    };
    let request = Request {
        id: "step",
        rootfs,
        run: &step.run,
        mounts: &step.mounts,
        secrets: &step.secrets,
        ssh: &step.ssh,
    };
    let Outcome { exit } = executor.run(request, output, cancel).await?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
    Ok(Ended {
        exit,
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

/// A step that runs a shell script, without a network.
pub fn shell(script: &str) -> Step {
    exec(&["/bin/sh", "-c", script])
}

/// A step that runs a program, without a network.
pub fn exec(args: &[&str]) -> Step {
    Step {
        run: Run {
            root: node(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            shown: None,
            executor: run::Executor::default(),
            env: Vec::new(),
            proxy_env: Vec::new(),
            cwd: "/".to_owned(),
            user: String::new(),
            groups: Vec::new(),
            mounts: Vec::new(),
            network: Network::None,
            security: Security::Sandbox,
            extra_hosts: Vec::new(),
            hostname: None,
            limits: Limits::default(),
        },
        mounts: Vec::new(),
        secrets: Secrets::default(),
        ssh: SshAgents::default(),
    }
}

impl Step {
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.run.user);
        self
    }

    pub fn cwd(mut self, cwd: &str) -> Self {
        cwd.clone_into(&mut self.run.cwd);
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.run.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn network(mut self, network: Network) -> Self {
        self.run.network = network;
        self
    }

    pub fn insecure(mut self) -> Self {
        self.run.security = Security::Insecure;
        self
    }

    pub fn mount(mut self, target: &str, source: MountSource, resolved: ResolvedMount) -> Self {
        self.run.mounts.push(Mount {
            target: target.to_owned(),
            source,
            read_only: false,
        });
        self.mounts.push(resolved);
        self
    }

    /// The last mount refuses writes.
    pub fn read_only(mut self) -> Self {
        if let Some(mount) = self.run.mounts.last_mut() {
            mount.read_only = true;
        }
        self
    }
}

/// The directory in `/proc` of a process with these words in its command line, as soon as there is one.
pub async fn process_with(words: &str) -> PathBuf {
    for _ in 0..4000 {
        if let Some(process) = processes(words).pop() {
            return process;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("no `{words}` after 20 s");
}

/// The directories in `/proc` of processes with these words in their command line.
pub fn processes(words: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").expect("procfs").flatten() {
        let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(words) {
            found.push(process.path());
        }
    }
    found
}
