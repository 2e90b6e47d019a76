//! The bundle of a step: its `config.json`, and the files that are mounted into it.
//!
//! All of that lies in a file system in memory that only the runtime sees, at the executor's directory: no secret reaches a
//! disk, and nothing is left however the build ends.
//!
//! ```text
//! config.json   the bundle of the runtime-spec
//! state/        the runtime's
//! log           what the runtime has to say, as JSON
//! pid           written by the runtime once the process of the step runs
//! hosts  resolv.conf
//! mount-N       a secret, a here-document, a socket: the source of the step's Nth mount
//! net           the network namespace
//! ```

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use serde_json::{Value, json};
use stromatekt_graph::run::{Mount, MountSource, Network, Run};
use stromatekt_kernel::beneath::{OFlag, Root};
use stromatekt_kernel::entry;
use stromatekt_kernel::process::DetachedMount;

use crate::config::{self, Namespace};
use crate::error::{Error, Result};
use crate::etc;
use crate::host::Host;
use crate::request::ResolvedMount;
use crate::secrets::Secrets;
use crate::ssh::SshAgents;
use crate::ssh_proxy::{Access, Proxy};
use crate::stubs::{Kind, Stubs};
use crate::user::User;

/// Where in the bundle the runtime keeps its state.
pub const STATE: &str = "state";
/// Where it writes its log.
pub const LOG: &str = "log";
/// Where it writes the number of the process, once that runs.
pub const PID: &str = "pid";

/// How much of the runtime's log is read.
const MAX_LOG: u64 = 1 << 20;

/// A request that owns what it needs, to be prepared on another thread.
#[derive(Clone, Debug)]
pub struct Step {
    pub id: String,
    /// What the runtime knows it by.
    pub container: String,
    pub rootfs: PathBuf,
    pub run: Run,
    pub mounts: Vec<ResolvedMount>,
    pub secrets: Secrets,
    pub ssh: SshAgents,
}

/// A step that can be started.
#[derive(Debug)]
pub struct Bundle {
    /// The file system in memory.
    pub files: Root,
    /// The mount points that were made in the tree.
    pub stubs: Stubs,
    /// Sockets that have to be served while the step runs.
    pub proxies: Vec<Proxy>,
}

/// The mounts of a bundle while it is made.
struct Mounts<'a> {
    files: &'a Root,
    directory: &'a Path,
    list: Vec<Value>,
    stubs: Stubs,
    proxies: Vec<Proxy>,
    /// Secrets that are variables.
    env: Vec<(String, String)>,
}

impl Bundle {
    /// Makes the bundle of a step, which the runtime finds in `directory`, and prepares the step's tree.
    pub fn make(step: &Step, host: &Host, namespace: Namespace, directory: &Path) -> Result<Self> {
        let root = Root::open(&step.rootfs).map_err(Error::file("open", &step.rootfs))?;
        let user = User::of(&step.run, &root)?;
        let files = DetachedMount::tmpfs().map_err(Error::privileges("mount a file system"))?;
        let files = Root::from(OwnedFd::from(files));
        let mut mounts = Mounts {
            files: &files,
            directory,
            list: Vec::new(),
            stubs: Stubs::new(root),
            proxies: Vec::new(),
            env: Vec::new(),
        };
        mounts.add_system(&step.run)?;
        for (index, (mount, source)) in step.run.mounts.iter().zip(&step.mounts).enumerate() {
            mounts.add(index, mount, source, step)?;
        }
        let Mounts {
            list,
            stubs,
            proxies,
            env,
            ..
        } = mounts;
        let cwd = Path::new(&step.run.cwd);
        make_working_dir(stubs.root(), cwd, &user)?;
        let config = config::Config {
            container: &step.container,
            run: &step.run,
            rootfs: text(&step.rootfs)?,
            user: &user,
            secret_env: &env,
            mounts: list,
            namespace,
            net: directory.join(crate::network::NAMESPACE),
        };
        let config = config.to_json(host);
        write(&files, "config.json", config.to_string().as_bytes(), 0o600)?;
        write(&files, crate::network::NAMESPACE, b"", 0o600)?;
        Ok(Self {
            files,
            stubs,
            proxies,
        })
    }
}

/// Why a runtime did not come as far as to run the process of the step; nothing if it did.
pub fn runtime_error(files: &Root, status: ExitStatus) -> Option<String> {
    // That file alone tells it: what goes wrong after the process is in the log too.
    if files.exists(PID).unwrap_or(false) && status.code().is_some() {
        return None;
    }
    let mut bytes = Vec::new();
    if let Ok(log) = files.open_file(LOG, OFlag::O_RDONLY, 0) {
        // What can be read of it is enough.
        let _ = log.take(MAX_LOG).read_to_end(&mut bytes);
    }
    last_error(&String::from_utf8_lossy(&bytes)).or_else(|| Some(format!("it ended with {status}")))
}

impl Mounts<'_> {
    /// What every container has.
    fn add_system(&mut self, run: &Run) -> Result<()> {
        for mount in config::system_mounts(run.security) {
            self.stubs.cover(mount.target)?;
            self.push(mount.target, mount.to_json());
        }
        let resolv_conf = match run.network {
            Network::Host => etc::resolv_conf_of_host()?,
            Network::Default | Network::None => etc::resolv_conf_of_private()?,
        };
        let hosts = etc::hosts(etc::hostname(run), &run.extra_hosts);
        for (name, content) in [("resolv.conf", resolv_conf), ("hosts", hosts)] {
            write(self.files, name, content.as_bytes(), 0o644)?;
            let target = format!("/etc/{name}");
            self.stubs.make(&target, Kind::File)?;
            let source = self.directory.join(name);
            let options = ["nosuid", "noexec", "nodev", "rbind", "ro"];
            self.push(&target, bind(&target, &source, &options)?);
        }
        Ok(())
    }

    /// A mount of the step.
    fn add(
        &mut self,
        index: usize,
        mount: &Mount,
        resolved: &ResolvedMount,
        step: &Step,
    ) -> Result<()> {
        let target = mount.target.as_str();
        let access = if mount.read_only { "ro" } else { "rw" };
        let name = format!("mount-{index}");
        let made = self.directory.join(&name);
        let (kind, value) = match (&mount.source, resolved) {
            (MountSource::Bind { path, .. }, ResolvedMount::Tree(tree)) => {
                let (source, kind) = find_in_tree(tree, path, target)?;
                (kind, bind(target, &source, &["rbind", access])?)
            }
            (MountSource::Cache { .. }, ResolvedMount::Directory(directory)) => (
                Kind::Directory,
                bind(target, directory, &["rbind", access])?,
            ),
            (MountSource::Tmpfs { size }, ResolvedMount::Made) => {
                let mut options = vec!["nosuid".to_owned(), access.to_owned()];
                options.extend(size.map(|size| format!("size={size}")));
                let value = json!({
                    "destination": target, "type": "tmpfs", "source": "tmpfs", "options": options,
                });
                (Kind::Tmpfs, value)
            }
            (
                MountSource::Secret {
                    id,
                    env,
                    file,
                    required,
                    mode,
                    uid,
                    gid,
                },
                ResolvedMount::Made,
            ) => {
                let Some(content) = step.secrets.value(id)? else {
                    if *required {
                        return Err(Error::SecretNotGiven { id: id.clone() });
                    }
                    // BuildKit: there is no file, but the variable is set, to nothing.
                    self.env
                        .extend(env.iter().map(|env| (env.clone(), String::new())));
                    return Ok(());
                };
                if let Some(env) = env {
                    let content = String::from_utf8_lossy(&content).into_owned();
                    self.env.push((env.clone(), content));
                }
                if !file {
                    return Ok(());
                }
                let mode = mode & 0o777;
                write(self.files, &name, &content, mode)?;
                entry::fchownat(self.files, OsStr::new(&name), *uid, *gid)
                    .map_err(Error::file("give away", &made))?;
                let mut options = vec!["ro", "rbind", "nodev", "nosuid"];
                if mode & 0o111 == 0 {
                    options.push("noexec");
                }
                (Kind::File, bind(target, &made, &options)?)
            }
            (
                MountSource::Ssh {
                    id,
                    required,
                    mode,
                    uid,
                    gid,
                },
                ResolvedMount::Made,
            ) => {
                let Some(agent) = step.ssh.agent(id) else {
                    return match required {
                        true => Err(Error::SshNotGiven { id: id.clone() }),
                        false => Ok(()),
                    };
                };
                let access = Access {
                    mode: *mode,
                    uid: *uid,
                    gid: *gid,
                };
                let proxy = Proxy::bind(self.files, OsStr::new(&name), agent.clone(), access)?;
                self.proxies.push(proxy);
                (Kind::File, bind(target, &made, &["rbind"])?)
            }
            (MountSource::Inline { content, mode }, ResolvedMount::Made) => {
                write(self.files, &name, content, *mode)?;
                (Kind::File, bind(target, &made, &["rbind", access])?)
            }
            _ => {
                return Err(Error::Request {
                    id: step.id.clone(),
                    message: format!("what stands at `{target}` is not what a mount there needs"),
                });
            }
        };
        self.stubs.make(target, kind)?;
        self.push(target, value);
        Ok(())
    }

    /// Of mounts at the same place the last one counts, at the place of the first one.
    fn push(&mut self, target: &str, mount: Value) {
        match self
            .list
            .iter_mut()
            .find(|other| other["destination"] == target)
        {
            Some(other) => *other = mount,
            None => self.list.push(mount),
        }
    }
}

/// The path on the host of what a bind mount shows, and what it needs to stand on.
pub fn find_in_tree(tree: &Path, path: &str, target: &str) -> Result<(PathBuf, Kind)> {
    let failed = |message: String| Error::Mount {
        target: target.to_owned(),
        message,
    };
    let find = || {
        let root = Root::open(tree)?;
        let resolved = root.resolve(path)?;
        let kind = match root.lstat(&resolved)?.is_dir() {
            true => Kind::Directory,
            false => Kind::File,
        };
        Ok::<_, std::io::Error>((tree.join(resolved), kind))
    };
    find().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => failed(format!("\"{path}\": not found")),
        _ => failed(format!("\"{path}\": {error}")),
    })
}

fn bind(target: &str, source: &Path, options: &[&str]) -> Result<Value> {
    Ok(json!({
        "destination": target, "type": "bind", "source": text(source)?, "options": options,
    }))
}

/// Makes the working directory as BuildKit does: new directories are the user's.
pub fn make_working_dir(root: &Root, cwd: &Path, user: &User) -> Result<()> {
    let make = || {
        if root.resolve(cwd)?.as_os_str().is_empty() || root.stat(cwd).is_ok() {
            return Ok(());
        }
        for made in root.create_dir_all(cwd, 0o755)? {
            let (parent, name) = root.open_parent(made)?;
            entry::fchownat(parent, &name, user.uid, user.gid)?;
        }
        Ok::<_, std::io::Error>(())
    };
    make().map_err(Error::file("make the working directory", cwd))
}

/// Makes a file with exactly this mode.
fn write(files: &Root, name: &str, content: &[u8], mode: u32) -> Result<()> {
    let write = || {
        let name = OsStr::new(name);
        let mut file = entry::create_file_at(files, name, 0o600)?;
        file.write_all(content)?;
        entry::fchmodat(files, name, mode)
    };
    write().map_err(Error::file("write", name))
}

/// A path in the runtime-spec, which is JSON.
fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        let source = std::io::Error::other("its name is not UTF-8");
        Error::file("use", path)(source)
    })
}

/// The runtimes log a JSON object a line; what made them give up comes last.
fn last_error(log: &str) -> Option<String> {
    log.lines().rev().find_map(|line| {
        let entry: Value = serde_json::from_str(line).ok()?;
        let failed = matches!(entry["level"].as_str(), Some("error" | "fatal"));
        failed.then(|| entry["msg"].as_str().map(str::to_owned))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_of_a_log_is_why_a_runtime_failed() {
        let log = "{\"level\":\"warning\",\"msg\":\"a\"}\n{\"level\":\"error\",\"msg\":\"b\"}\nno json\n\
                   {\"level\":\"error\",\"msg\":\"c\"}\n{\"level\":\"warning\",\"msg\":\"d\"}\n";
        assert_eq!(last_error(log).as_deref(), Some("c"));
        assert_eq!(last_error("{\"level\":\"warning\",\"msg\":\"a\"}\n"), None);
        assert_eq!(last_error(""), None);
    }

    #[test]
    fn a_bind_source_that_is_not_there_is_named() {
        let tree = tempfile::tempdir().expect("a directory");
        std::os::unix::fs::symlink("/sub", tree.path().join("link")).expect("a link");
        std::fs::create_dir(tree.path().join("sub")).expect("a directory");
        std::fs::write(tree.path().join("sub/file"), "").expect("a file");
        let find = |path| find_in_tree(tree.path(), path, "/t");
        let inside = tree.path().join("sub");
        assert_eq!(
            find("/link").expect("a link"),
            (inside.clone(), Kind::Directory)
        );
        assert_eq!(
            find("link/file").expect("a file"),
            (inside.join("file"), Kind::File)
        );
        assert_eq!(
            find("/nope").expect_err("nothing").to_string(),
            "mount at `/t`: \"/nope\": not found"
        );
    }
}
