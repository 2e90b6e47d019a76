//! The thread that starts all processes of an executor, since they are killed when it ends.
//!
//! The kernel ties a process to the thread that started it (`PR_SET_PDEATHSIG`), and the threads of an async runtime come and
//! go. Here they also get the namespaces that a thread must enter before its children can be in them.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread::JoinHandle;

use nix::sched::CloneFlags;

use crate::error::{Error, Result};

type Job = Box<dyn FnOnce(&Namespaces) + Send>;

/// The thread, until this is dropped.
#[derive(Debug)]
pub struct Keeper {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// The namespaces that the thread is in, and returns to. Only a job on that thread gets hold of it.
#[derive(Debug)]
pub struct Namespaces {
    pid: OwnedFd,
    net: OwnedFd,
}

impl Keeper {
    /// Starts the thread.
    pub fn start() -> Result<Self> {
        let failed = |source| Error::Spawn {
            program: "a thread".to_owned(),
            source,
        };
        let (jobs, queue) = mpsc::channel::<Job>();
        let namespaces = Namespaces::current().map_err(failed)?;
        let thread = std::thread::Builder::new()
            .name("keeper".to_owned())
            .spawn(move || {
                for job in queue {
                    job(&namespaces);
                }
            })
            .map_err(failed)?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Does something on the thread. It is done to its end even if nobody waits for it any more.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Namespaces) -> T + Send + 'static,
    ) -> io::Result<T> {
        let (reply, result) = tokio::sync::oneshot::channel();
        let job: Job = Box::new(move |namespaces| {
            // Nobody waits: what was started is dropped, which kills it.
            drop(reply.send(job(namespaces)));
        });
        let gone = || io::Error::other("the thread that starts processes has ended");
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).map_err(|_| gone())?;
        result.await.map_err(|_| gone())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            // It panicked, or ends after its last job.
            drop(thread.join());
        }
    }
}

impl Namespaces {
    fn current() -> io::Result<Self> {
        let open = |kind| File::open(format!("/proc/thread-self/ns/{kind}")).map(OwnedFd::from);
        Ok(Self {
            pid: open("pid")?,
            net: open("net")?,
        })
    }

    /// The process that `start` starts is the first one of a new PID namespace: all its descendants die with it.
    pub fn with_new_pids<T>(&self, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        nix::sched::unshare(CloneFlags::CLONE_NEWPID)?;
        let started = start();
        nix::sched::setns(&self.pid, CloneFlags::CLONE_NEWPID)?;
        started
    }

    /// A new network namespace, which exists as long as this descriptor or a process in it.
    pub fn new_network(&self) -> io::Result<OwnedFd> {
        nix::sched::unshare(CloneFlags::CLONE_NEWNET)?;
        let opened = File::open("/proc/thread-self/ns/net");
        nix::sched::setns(&self.net, CloneFlags::CLONE_NEWNET)?;
        Ok(opened?.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn jobs_run_on_one_thread_that_ends_with_its_owner() {
        let keeper = Keeper::start().expect("a thread");
        let id = || std::thread::current().id();
        let first = keeper.run(move |_| id()).await.expect("a job");
        let second = keeper.run(move |_| id()).await.expect("a job");
        assert_eq!(first, second);
        assert_ne!(first, id());
        drop(keeper);
    }
}
