//! The networks of steps: the host's, none, or a private one that `pasta` connects to the outside.
//!
//! A private network is a network namespace with a `pasta` process at its other end. It takes some 30 ms until that is ready,
//! so one is started ahead ([`Networks::prepare`]), and one that a step is done with is kept for the next step. That sees
//! nothing of the former: sockets are gone with their processes, and a sandboxed process cannot change the devices.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stromatekt_graph::run::Network as Wanted;
use stromatekt_kernel::beneath::{OFlag, Root};
use stromatekt_kernel::entry::{self, Node};
use stromatekt_kernel::process::{DetachedMount, Surroundings};
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use crate::config::Namespace;
use crate::error::{Error, Result};
use crate::etc;
use crate::keeper::{Keeper, Namespaces};
use crate::program;

const PASTA: &str = "pasta";
const HINT: &str = "it connects steps to the network: install it (`apt install passt`), or build with `--network host` or \
                    `--network none`";

/// What a container has in docker's default network. With an address of the host, a step could not reach the host's services.
const ADDRESS: [&str; 6] = ["-a", "172.17.0.2", "-n", "16", "-g", "172.17.0.1"];

/// How long `pasta` may take to be ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// The file, in the private mount at the executor's directory, that stands for the network namespace.
pub const NAMESPACE: &str = "net";

/// A network namespace, and who connects it.
#[derive(Debug)]
pub struct Private {
    namespace: OwnedFd,
    pasta: Child,
}

/// How the host is connected, and so what a private network can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outside {
    /// Whether there is a default route of IPv4.
    v4: bool,
    /// And of IPv6.
    v6: bool,
}

/// The private networks of an executor that nobody uses.
#[derive(Debug)]
pub struct Networks {
    keeper: Arc<Keeper>,
    /// Where mounts are made that only a child sees.
    directory: PathBuf,
    idle: Mutex<Vec<Private>>,
    /// Those that are not ready yet.
    pending: Mutex<Vec<JoinHandle<Result<Private>>>>,
}

impl Networks {
    /// None yet.
    pub fn new(keeper: Arc<Keeper>, directory: PathBuf) -> Self {
        Self {
            keeper,
            directory,
            idle: Mutex::default(),
            pending: Mutex::default(),
        }
    }

    /// Starts a private network in the background, unless there is one.
    pub fn prepare(&self) {
        let mut pending = lock(&self.pending);
        if pending.is_empty() && lock(&self.idle).is_empty() && Outside::look_up().exists() {
            let (keeper, directory) = (Arc::clone(&self.keeper), self.directory.clone());
            pending.push(tokio::spawn(async move {
                Private::open(&keeper, directory).await
            }));
        }
    }

    /// The namespace of a step's network.
    pub fn namespace(&self, wanted: Wanted) -> Namespace {
        match wanted {
            Wanted::Host => Namespace::Host,
            Wanted::None => Namespace::New,
            Wanted::Default if Outside::look_up().exists() => Namespace::Existing,
            // There is nothing that a private network could be connected to.
            Wanted::Default => Namespace::New,
        }
    }

    /// A private network, ready, where the namespace has to exist.
    pub async fn take(&self, namespace: Namespace) -> Result<Option<Private>> {
        if namespace != Namespace::Existing {
            return Ok(None);
        }
        while let Some(mut idle) = pop(&self.idle) {
            if idle.works() {
                return Ok(Some(idle));
            }
        }
        if let Some(pending) = pop(&self.pending)
            && let Ok(Ok(mut ready)) = pending.await
            && ready.works()
        {
            return Ok(Some(ready));
        }
        Private::open(&self.keeper, self.directory.clone())
            .await
            .map(Some)
    }

    /// Keeps the network of a step that could not change it.
    pub fn give_back(&self, mut private: Private) {
        if private.works() {
            lock(&self.idle).push(private);
        }
    }
}

impl Private {
    /// The namespace, to be mounted where the runtime looks for it.
    pub fn namespace(&self) -> io::Result<DetachedMount> {
        mount_of(&self.namespace)
    }

    fn works(&mut self) -> bool {
        matches!(self.pasta.try_wait(), Ok(None))
    }

    async fn open(keeper: &Keeper, directory: PathBuf) -> Result<Self> {
        let failed = |error: io::Error| Error::Network {
            message: error.to_string(),
        };
        let pasta = program::find(OsStr::new(PASTA)).ok_or_else(|| Error::Missing {
            program: PASTA.to_owned(),
            hint: HINT,
        })?;
        let forward = etc::is_forwarded()?;
        let files = DetachedMount::tmpfs().map_err(Error::privileges("mount a file system"))?;
        let files = Root::from(OwnedFd::from(files));
        let name = OsStr::new;
        entry::create_file_at(&files, name(NAMESPACE), 0o600).map_err(failed)?;
        // `pasta` writes its number there as soon as it is ready; it is the only one that opens it for writing.
        entry::mknodat(&files, name("ready"), Node::Fifo, 0o600).map_err(failed)?;
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
        let ready = files.open_file("ready", flags, 0).map_err(failed)?;
        let ready = pipe::Receiver::from_file(ready).map_err(failed)?;
        let flags = OFlag::O_RDWR | OFlag::O_CREAT;
        let log = files.open_file("log", flags, 0o600).map_err(failed)?;
        let said = log.try_clone().map_err(failed)?;
        let mut private = keeper
            .run(move |namespaces| {
                Self::start(namespaces, &pasta, &directory, &files, log, forward)
            })
            .await
            .map_err(failed)?
            .map_err(Error::privileges("start pasta"))?;
        match tokio::time::timeout(PATIENCE, private.wait(&ready)).await {
            Ok(Ok(())) => Ok(private),
            Ok(Err(error)) => Err(Error::Network {
                message: what_was_said(&said).unwrap_or_else(|| error.to_string()),
            }),
            Err(_) => Err(Error::Network {
                message: format!("pasta was not ready after {} s", PATIENCE.as_secs()),
            }),
        }
    }

    fn start(
        namespaces: &Namespaces,
        pasta: &Path,
        directory: &Path,
        files: &Root,
        log: File,
        forward: bool,
    ) -> io::Result<Self> {
        let namespace = namespaces.new_network()?;
        let target = directory.join(NAMESPACE);
        let mut command = Command::new(pasta);
        command
            // It would else become another user, who may not enter the namespace.
            .args(["--runas", "0"])
            .args(["--foreground", "--quiet", "--config-net"])
            // The host's own services are not the step's, nor the step's the host's.
            .args(["--no-map-gw", "-t", "none", "-u", "none"])
            .args(["-T", "none", "-U", "none"])
            .arg("--no-netns-quit")
            .arg("--pid")
            .arg(directory.join("ready"))
            .arg("--netns")
            .arg(&target)
            .current_dir("/")
            // What the terminal sends to this process's group, as at Ctrl-C, is not for this one.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let outside = Outside::look_up();
        if outside.v4 {
            command.args(ADDRESS);
        }
        // As in docker's default network; and without the delay until an address of IPv6 may be used.
        command.arg(if outside.v4 {
            "--ipv4-only"
        } else {
            "--ipv6-only"
        });
        if forward {
            // Only then: it also changes the answers of the server that it would forward to.
            command.args(["--dns-forward", etc::FORWARDER]);
        }
        let mut surroundings = Surroundings::default();
        surroundings.mount(files, directory)?;
        surroundings.mount(mount_of(&namespace)?, &target)?;
        surroundings.give_to(&mut command);
        let pasta = command.spawn()?;
        Ok(Self { namespace, pasta })
    }

    /// Waits until `pasta` has said that it is ready, or has ended.
    async fn wait(&mut self, ready: &pipe::Receiver) -> io::Result<()> {
        let mut buffer = [0; 64];
        loop {
            match ready.try_read(&mut buffer) {
                Ok(0) => {}
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready.readable().await?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            // Nobody has the pipe open: not yet, or not any more.
            if let Some(status) = self.pasta.try_wait()? {
                return Err(io::Error::other(format!("pasta ended with {status}")));
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // Only errors when it has ended already.
        let _ = self.pasta.kill();
        let _ = self.pasta.wait();
    }
}

fn mount_of(namespace: &OwnedFd) -> io::Result<DetachedMount> {
    let fd = namespace.as_fd().as_raw_fd();
    DetachedMount::clone_of(Path::new(&format!("/proc/self/fd/{fd}")))
}

/// The last words of `pasta`, without those about the words themselves.
fn what_was_said(log: &File) -> Option<String> {
    let mut buffer = vec![0; 64 << 10];
    let length = log.read_at(&mut buffer, 0).ok()?;
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    let line = text
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && !line.contains("to syslog"))?;
    Some(line.to_owned())
}

impl Outside {
    fn look_up() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read("/proc/net/route"), &read("/proc/net/ipv6_route"))
    }

    fn parse(v4: &str, v6: &str) -> Self {
        const NONE: &str = "00000000";
        let to_all = |address: &str| address.bytes().all(|byte| byte == b'0');
        Self {
            v4: v4.lines().skip(1).any(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                matches!(fields.as_slice(), [_, NONE, _, _, _, _, _, NONE, ..])
            }),
            v6: v6.lines().any(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                // The kernel's own entry, which refuses what no other takes, is on the loopback device.
                matches!(fields.as_slice(), [to, "00", .., device] if to_all(to) && *device != "lo")
            }),
        }
    }

    fn exists(self) -> bool {
        self.v4 || self.v6
    }
}

fn lock<T>(mutex: &Mutex<Vec<T>>) -> std::sync::MutexGuard<'_, Vec<T>> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pop<T>(mutex: &Mutex<Vec<T>>) -> Option<T> {
    lock(mutex).pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_routes_are_seen() {
        let head =
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
        let default = format!("{head}eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
        let local = format!("{head}eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
        let zeros = "0".repeat(32);
        let v6 = format!("{zeros} 00 {zeros} 00 fe800000 00000400 1 0 00000003 eth0\n");
        let refusal = format!("{zeros} 00 {zeros} 00 {zeros} ffffffff 1 0 00200200       lo\n");
        for (v4, v6, expected) in [
            (default.as_str(), "", (true, false)),
            (&local, "", (false, false)),
            (&local, &refusal, (false, false)),
            (&default, &v6, (true, true)),
            ("", &v6, (false, true)),
            ("", "", (false, false)),
        ] {
            let found = Outside::parse(v4, v6);
            assert_eq!((found.v4, found.v6), expected, "{v4}{v6}");
        }
    }
}
