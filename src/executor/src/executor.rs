//! The executor: from a request to an outcome.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stromatekt_graph::run::Security;
use stromatekt_kernel::Root;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bundle::{self, Bundle, Step};
use crate::cgroup::Cgroups;
use crate::container::{self, Container, Start};
use crate::error::{Error, Result};
use crate::host::Host;
use crate::keeper::Keeper;
use crate::limits;
use crate::network::{Networks, Private};
use crate::owner::Owner;
use crate::program;
use crate::request::{Outcome, Request, Stream};

const HINT: &str =
    "it runs the steps: install it (`apt install runc`), or name another OCI runtime";

/// How processes are run.
#[derive(Clone, Debug)]
pub struct Config {
    /// The OCI runtime, a name to find in `PATH` or a path: `runc`, or any with its command line.
    pub runtime: PathBuf,
    /// A directory for bundles and the runtime's state; made if it does not exist.
    pub scratch: PathBuf,
}

/// Runs processes in containers of an OCI runtime.
#[derive(Debug)]
pub struct Executor {
    runtime: PathBuf,
    /// Where the runtime finds the bundle of a step, each in a mount of its own.
    directory: PathBuf,
    owner: Owner,
    next: AtomicU64,
    host: Arc<Host>,
    cgroups: Arc<Cgroups>,
    networks: Networks,
    keeper: Arc<Keeper>,
}

impl Executor {
    /// Checks that the runtime exists, and removes what dead processes left.
    pub fn new(config: Config) -> Result<Self> {
        let runtime = program::find(config.runtime.as_os_str()).ok_or_else(|| Error::Missing {
            program: config.runtime.display().to_string(),
            hint: HINT,
        })?;
        let directory = container::directory(&config.scratch)?;
        let cgroups = Cgroups::find();
        cgroups.remove_orphans();
        let keeper = Arc::new(Keeper::start()?);
        Ok(Self {
            runtime,
            owner: Owner::this(),
            next: AtomicU64::new(0),
            host: Arc::new(Host::look_up()),
            cgroups: Arc::new(cgroups),
            networks: Networks::new(Arc::clone(&keeper), directory.clone()),
            directory,
            keeper,
        })
    }

    /// Starts a network in the background, so that the next step with a network of its own need not wait for it.
    ///
    /// Worth calling as soon as it is known that there is such a step. It must be called within a tokio runtime.
    pub fn prepare_network(&self) {
        self.networks.prepare();
    }

    /// Runs a process to its end, and tells `output` what it writes meanwhile, in pieces as they come.
    ///
    /// A process that fails is an [`Outcome`]. When `cancel` is cancelled, or this future is dropped, the process and all its
    /// children are killed.
    pub async fn run(
        &self,
        request: Request<'_>,
        mut output: impl FnMut(Stream, &[u8]) + Send,
        cancel: CancellationToken,
    ) -> Result<Outcome> {
        let name = self
            .owner
            .container(self.next.fetch_add(1, Ordering::Relaxed), request.id);
        let step = own(&request, name.clone())?;
        let limits = &request.run.limits;
        limits::check(limits, &self.cgroups)?;
        if let Some(parent) = &limits.cgroup_parent {
            self.cgroups.remove_orphans_in(parent);
        }
        if cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let namespace = self.networks.namespace(request.run.network);
        let (host, directory) = (Arc::clone(&self.host), self.directory.clone());
        let bundle =
            tokio::task::spawn_blocking(move || Bundle::make(&step, &host, namespace, &directory));
        let network = tokio::select! {
            () = cancel.cancelled() => Err(Error::Cancelled),
            network = self.networks.take(namespace) => network,
        };
        // Nobody touches the tree any more when this returns, whatever happened.
        let Bundle {
            files,
            stubs,
            proxies,
        } = joined(bundle.await)??;
        let ended = match network {
            Ok(network) => {
                let mut tasks = JoinSet::new();
                let served = proxies
                    .into_iter()
                    .try_for_each(|proxy| proxy.serve(&mut tasks));
                match served {
                    Ok(()) => {
                        self.contain(name, &request, files, network, &mut output, &cancel)
                            .await
                    }
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        let removed = joined(tokio::task::spawn_blocking(move || stubs.remove()).await)?;
        let outcome = ended?;
        removed?;
        Ok(outcome)
    }

    /// Runs the runtime on a bundle, and tells a process that failed from a runtime that did.
    async fn contain(
        &self,
        name: String,
        request: &Request<'_>,
        files: Root,
        network: Option<Private>,
        output: &mut (impl FnMut(Stream, &[u8]) + Send),
        cancel: &CancellationToken,
    ) -> Result<Outcome> {
        let start = Start {
            runtime: self.runtime.clone(),
            directory: self.directory.clone(),
            name,
            cgroup_parent: request.run.limits.cgroup_parent.clone(),
            cgroups: Arc::clone(&self.cgroups),
        };
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::PermissionDenied => Error::privileges("start a container")(source),
            _ => Error::Spawn {
                program: self.runtime.display().to_string(),
                source,
            },
        };
        let namespace = network.as_ref().map(Private::namespace);
        let namespace = namespace.transpose().map_err(failed)?;
        let bundle = files.try_clone().map_err(failed)?;
        let tokio = tokio::runtime::Handle::current();
        let started = self.keeper.run(move |namespaces| {
            let _inside = tokio.enter();
            Container::start(namespaces, start, &bundle, namespace.as_ref())
        });
        let mut container = started.await.map_err(failed)?.map_err(failed)?;
        let waited = container.wait(output, cancel).await;
        joined(tokio::task::spawn_blocking(move || drop(container)).await)?;
        let status = waited?;
        if let Some(network) = network
            && request.run.security == Security::Sandbox
        {
            self.networks.give_back(network);
        }
        match bundle::runtime_error(&files, status) {
            // Docker has it so as well; its runtime, which is ours, has told it on standard error.
            Some(message) if is_about_the_program(&message) => {}
            Some(message) => return Err(Error::Runtime { message }),
            None => {}
        }
        Ok(Outcome {
            exit: exit_code(status),
        })
    }
}

/// What the request asks, to be taken to another thread.
fn own(request: &Request<'_>, container: String) -> Result<Step> {
    let refuse = |message: &str| Error::Request {
        id: request.id.to_owned(),
        message: message.to_owned(),
    };
    let is_plain = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_';
    if request.id.is_empty() || !request.id.chars().all(is_plain) {
        return Err(refuse(
            "its name has other characters than letters, digits, `-` and `_`",
        ));
    }
    if request.run.args.is_empty() {
        return Err(refuse("it has no arguments, so there is no program"));
    }
    if request.run.mounts.len() != request.mounts.len() {
        return Err(refuse("its mounts and what stands there are not as many"));
    }
    let rootfs = request
        .rootfs
        .canonicalize()
        .map_err(Error::file("open", request.rootfs))?;
    Ok(Step {
        id: request.id.to_owned(),
        container,
        rootfs,
        run: request.run.clone(),
        mounts: request.mounts.to_vec(),
        secrets: request.secrets.clone(),
        ssh: request.ssh.clone(),
    })
}

/// The result of work on another thread, or its panic.
fn joined<T>(result: std::result::Result<T, tokio::task::JoinError>) -> Result<T> {
    result.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The tokio runtime shuts down.
        Err(_) => Error::Cancelled,
    })
}

/// A shell's way to tell it in one number.
fn exit_code(status: ExitStatus) -> i32 {
    match (status.code(), status.signal()) {
        (Some(code), _) => code,
        (None, signal) => 128 + signal.unwrap_or_default(),
    }
}

/// Whether a runtime failed since the program of the step is not there or cannot be run, which is the step's own fault.
///
/// Runtimes tell that in words alone: runc in those of Go's `os/exec`, crun in its own.
fn is_about_the_program(message: &str) -> bool {
    ["exec: \"", "executable file"]
        .iter()
        .any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_told_from_a_runtime_that_fails() {
        for (message, expected) in [
            (
                "runc run failed: unable to start container process: exec: \"/nope\": stat /nope: no such file or directory",
                true,
            ),
            (
                "runc run failed: unable to start container process: exec: \"nope\": executable file not found in $PATH",
                true,
            ),
            (
                "executable file `nope` not found in $PATH: No such file or directory",
                true,
            ),
            (
                "runc run failed: unable to start container process: error during container init: error mounting \"proc\" to rootfs",
                false,
            ),
        ] {
            assert_eq!(is_about_the_program(message), expected, "{message}");
        }
    }

    #[test]
    fn a_runtime_that_is_not_there_is_named_with_the_way_out() {
        let scratch = tempfile::tempdir().expect("a directory");
        let error = Executor::new(Config {
            runtime: "no-such-runtime".into(),
            scratch: scratch.path().to_owned(),
        })
        .expect_err("there is none")
        .to_string();
        assert!(
            error.contains("no-such-runtime") && error.contains("apt install runc"),
            "{error}"
        );
    }
}
