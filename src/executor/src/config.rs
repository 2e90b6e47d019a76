//! The `config.json` of a step: the container that BuildKit makes (`executor/oci/spec.go`), in the words of the runtime-spec.

use std::path::PathBuf;

use serde_json::{Value, json};
use stromatekt_graph::run::{Run, Security};

use crate::capability::Capabilities;
use crate::etc;
use crate::host::{self, Host};
use crate::limits;
use crate::seccomp;
use crate::user::User;

/// Where a shell looks for programs unless the image says so.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What of the kernel is hidden.
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// What of it cannot be written.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// The network namespace of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// The host's.
    Host,
    /// One that the runtime makes.
    New,
    /// One that is there, at a path.
    Existing,
}

/// What a container is made of.
#[derive(Debug)]
pub struct Config<'a> {
    /// What the runtime knows it by.
    pub container: &'a str,
    pub run: &'a Run,
    pub rootfs: &'a str,
    pub user: &'a User,
    /// Variables that are secret.
    pub secret_env: &'a [(String, String)],
    pub mounts: Vec<Value>,
    pub namespace: Namespace,
    /// Where the network namespace is, if it exists.
    pub net: PathBuf,
}

/// A mount that every container has.
#[derive(Clone, Copy, Debug)]
pub struct SystemMount {
    pub target: &'static str,
    kind: &'static str,
    source: &'static str,
    options: &'static [&'static str],
    /// Whether it is read-only for a process that is not trusted.
    read_only: bool,
}

const fn system(
    target: &'static str,
    kind: &'static str,
    source: &'static str,
    options: &'static [&'static str],
) -> SystemMount {
    SystemMount {
        target,
        kind,
        source,
        options,
        read_only: false,
    }
}

const fn guarded(mount: SystemMount) -> SystemMount {
    SystemMount {
        read_only: true,
        ..mount
    }
}

const SEALED: &[&str] = &["nosuid", "noexec", "nodev"];

const SYSTEM_MOUNTS: [SystemMount; 7] = [
    system("/proc", "proc", "proc", SEALED),
    system(
        "/dev",
        "tmpfs",
        "tmpfs",
        &["nosuid", "strictatime", "mode=755", "size=65536k"],
    ),
    system(
        "/dev/pts",
        "devpts",
        "devpts",
        &[
            "nosuid",
            "noexec",
            "newinstance",
            "ptmxmode=0666",
            "mode=0620",
            "gid=5",
        ],
    ),
    system(
        "/dev/shm",
        "tmpfs",
        "shm",
        &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
    ),
    system("/dev/mqueue", "mqueue", "mqueue", SEALED),
    guarded(system("/sys", "sysfs", "sysfs", SEALED)),
    guarded(system("/sys/fs/cgroup", "cgroup", "cgroup", SEALED)),
];

/// The mounts that every container has, in the order in which they are made, with the security of a step.
pub fn system_mounts(security: Security) -> impl Iterator<Item = SystemMount> {
    SYSTEM_MOUNTS.into_iter().map(move |mount| SystemMount {
        read_only: mount.read_only && security == Security::Sandbox,
        ..mount
    })
}

impl SystemMount {
    /// As a mount of the runtime-spec.
    pub fn to_json(self) -> Value {
        let mut options = self.options.to_vec();
        if self.read_only {
            options.push("ro");
        }
        json!({
            "destination": self.target, "type": self.kind, "source": self.source, "options": options,
        })
    }
}

impl Config<'_> {
    /// The whole file.
    pub fn to_json(&self, host: &Host) -> Value {
        let mut config = json!({
            "ociVersion": "1.0.2",
            "hostname": etc::hostname(self.run),
            "root": { "path": self.rootfs },
            "process": {
                "args": self.run.args,
                "env": self.env(),
                "cwd": self.run.cwd,
                "user": {
                    "uid": self.user.uid,
                    "gid": self.user.gid,
                    "additionalGids": self.user.groups,
                },
            },
            "mounts": self.mounts,
            "linux": { "namespaces": self.namespaces(host) },
        });
        let (process, linux) = match self.run.security {
            Security::Sandbox => sandbox(host),
            Security::Insecure => insecure(host),
        };
        extend(&mut config["process"], process);
        extend(&mut config["linux"], linux);
        self.limit(&mut config);
        config
    }

    fn limit(&self, config: &mut Value) {
        let limits = &self.run.limits;
        if !limits.ulimits.is_empty() {
            config["process"]["rlimits"] = limits::rlimits(&limits.ulimits);
        }
        if let Some(parent) = &limits.cgroup_parent {
            config["linux"]["cgroupsPath"] = limits::cgroups_path(parent, self.container).into();
        }
        let resources = limits::resources(&limits.resources);
        extend(&mut config["linux"]["resources"], resources.into());
    }

    /// Of a variable that is given twice, the last one counts.
    fn env(&self) -> Vec<String> {
        let image = self.run.env.iter().chain(&self.run.proxy_env);
        let path = ("PATH".to_owned(), PATH.to_owned());
        let has_path = image.clone().any(|(name, _)| *name == path.0);
        image
            .chain((!has_path).then_some(&path))
            .chain(self.secret_env)
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    fn namespaces(&self, host: &Host) -> Vec<Value> {
        let mut namespaces: Vec<Value> = ["pid", "ipc", "uts", "mount"]
            .iter()
            .map(|kind| json!({ "type": kind }))
            .collect();
        match self.namespace {
            Namespace::Host => {}
            Namespace::New => namespaces.push(json!({ "type": "network" })),
            Namespace::Existing => {
                namespaces.push(json!({ "type": "network", "path": self.net }));
            }
        }
        if host.cgroup_namespaces {
            namespaces.push(json!({ "type": "cgroup" }));
        }
        namespaces
    }
}

/// What docker allows by default.
fn sandbox(host: &Host) -> (Value, Value) {
    let capabilities = Capabilities::sandbox(&host.capabilities);
    let list = capabilities.to_json();
    let process = json!({
        "capabilities": { "bounding": list, "permitted": list, "effective": list },
    });
    let mut linux = json!({
        "maskedPaths": MASKED,
        "readonlyPaths": READ_ONLY,
        // The runtime allows the harmless devices all the same.
        "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
    });
    if host.seccomp {
        linux["seccomp"] = seccomp::profile(&capabilities);
    }
    (process, linux)
}

/// Whatever this process may do itself.
fn insecure(host: &Host) -> (Value, Value) {
    let list = host.capabilities.to_json();
    let process = json!({
        "capabilities": {
            "bounding": list, "permitted": list, "effective": list, "inheritable": list, "ambient": list,
        },
    });
    let device = |path: String, kind: &str, major: u32, minor: usize| json!({ "path": path, "type": kind, "major": major, "minor": minor });
    let mut devices: Vec<Value> = [
        ("kmsg", 1, 11),
        ("cuse", 10, 203),
        ("fuse", 10, 229),
        ("kvm", 10, 232),
        ("net/tun", 10, 200),
        ("loop-control", 10, 237),
    ]
    .into_iter()
    .map(|(name, major, minor)| device(format!("/dev/{name}"), "c", major, minor))
    .collect();
    // Some more than there are: the process may make new ones.
    devices.extend(
        (0..host::loop_devices() + 8)
            .map(|number| device(format!("/dev/loop{number}"), "b", 7, number)),
    );
    let linux = json!({
        "devices": devices,
        "resources": { "devices": [
            { "allow": true, "type": "c", "access": "rwm" },
            { "allow": true, "type": "b", "access": "rwm" },
        ] },
    });
    (process, linux)
}

fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}
