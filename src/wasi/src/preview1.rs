//! The functions of `wasi_snapshot_preview1`, for a thread whose root directory is the tree.
//!
//! The names and numbers are those of WASI's own description (`preview1/docs.md`). A path is resolved by the kernel, from the
//! directory of the descriptor that comes with it, or from the tree's root where it is absolute: what the thread is confined to
//! is the sandbox, so a `..` or a link leads wherever it leads in a container.
//!
//! - `abi`: numbers, structures, and the module's memory
//! - `descriptors`: what is open; `share`: how much all modules together
//! - `files`: `fd_*`; `paths`: `path_*`; `times`, `rights`: what both tell
//! - `process`: arguments, environment, clocks, random bytes, the end; `poll`: waiting

mod abi;
mod descriptors;
mod files;
mod paths;
mod poll;
mod process;
mod rights;
mod share;
mod times;

use std::fmt;
use std::io;
use std::time::Instant;

use stromatekt_executor::Stream;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use wasmi::{Caller, Extern, Linker};

use crate::memory::{self, Limiter};
use crate::module::Module;
use abi::{Errno, Memory};
use descriptors::Descriptors;

/// What modules import these functions from.
const MODULE: &str = "wasi_snapshot_preview1";

/// What a module's functions work on.
#[derive(Debug)]
pub struct Host {
    arguments: Vec<Vec<u8>>,
    variables: Vec<Vec<u8>>,
    descriptors: Descriptors,
    output: Sender<(Stream, Vec<u8>)>,
    stop: CancellationToken,
    started: Instant,
    /// How much memory it may take.
    pub memory: Limiter,
}

/// A module is stopped since the build was.
#[derive(Debug)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("stopped")
    }
}

impl wasmi::errors::HostError for Stopped {}

/// How a function ends other than well.
enum Failure {
    /// The module is told.
    Errno(Errno),
    /// The module ends.
    End(wasmi::Error),
}

type Result<T = (), E = Failure> = std::result::Result<T, E>;

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Errno(error.into())
    }
}

impl From<nix::errno::Errno> for Failure {
    fn from(errno: nix::errno::Errno) -> Self {
        Self::Errno(errno.into())
    }
}

impl Host {
    /// What a module begins with; to be called in its thread.
    pub fn new(module: Module) -> io::Result<Self> {
        let Module {
            run,
            variables,
            output,
            stop,
        } = module;
        let ulimits = &run.limits.ulimits;
        let bound = ulimits.iter().find(|limit| limit.name == "nofile");
        let bound = bound.map(|limit| limit.soft.unwrap_or(u64::MAX));
        Ok(Self {
            arguments: run.args.into_iter().map(String::into_bytes).collect(),
            variables,
            descriptors: Descriptors::new(&run.cwd, bound)?,
            output,
            stop,
            started: Instant::now(),
            memory: Limiter::new(run.limits.resources.memory.unwrap_or(memory::DEFAULT)),
        })
    }

    /// Whether the build was cancelled.
    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }
}

/// Calls a function for a module, and tells it the error number.
fn answer(
    caller: &mut Caller<'_, Host>,
    call: impl FnOnce(&mut Host, &mut Memory<'_>) -> Result,
) -> Result<u32, wasmi::Error> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let (bytes, host) = match &memory {
        Some(memory) => memory.data_and_store_mut(&mut *caller),
        // Whatever is read there or written is out of its bounds.
        None => (&mut [][..], caller.data_mut()),
    };
    if host.is_stopped() {
        return Err(wasmi::Error::host(Stopped));
    }
    match call(host, &mut Memory(bytes)) {
        Ok(()) => Ok(0),
        Err(Failure::Errno(errno)) => Ok(errno as u32),
        Err(Failure::End(error)) => Err(error),
    }
}

macro_rules! functions {
    ($linker:ident; $($name:literal = $call:path, ($($parameter:ident: $type:ty),*);)*) => {
        $(
            let call = |mut caller: Caller<'_, Host>, $($parameter: $type),*| {
                answer(&mut caller, |host, memory| $call(host, memory, $($parameter),*))
            };
            $linker.func_wrap(MODULE, $name, call)?;
        )*
    };
}

/// Offers a module all functions of WASI.
pub fn define(linker: &mut Linker<Host>) -> Result<(), wasmi::Error> {
    functions! { linker;
        "args_get" = process::args_get, (list: u32, buffer: u32);
        "args_sizes_get" = process::args_sizes_get, (count: u32, size: u32);
        "environ_get" = process::environ_get, (list: u32, buffer: u32);
        "environ_sizes_get" = process::environ_sizes_get, (count: u32, size: u32);
        "clock_res_get" = process::clock_res_get, (clock: u32, resolution: u32);
        "clock_time_get" = process::clock_time_get, (clock: u32, precision: u64, time: u32);
        "random_get" = process::random_get, (buffer: u32, length: u32);
        "sched_yield" = process::sched_yield, ();
        "proc_raise" = process::proc_raise, (signal: u32);
        "sock_accept" = process::sock_accept, (fd: u32, flags: u32, accepted: u32);
        "sock_recv" = process::sock_recv, (fd: u32, list: u32, count: u32, flags: u32, size: u32, told: u32);
        "sock_send" = process::sock_send, (fd: u32, list: u32, count: u32, flags: u32, size: u32);
        "sock_shutdown" = process::sock_shutdown, (fd: u32, how: u32);
        "poll_oneoff" = poll::poll_oneoff, (subscriptions: u32, events: u32, count: u32, happened: u32);
        "fd_advise" = files::fd_advise, (fd: u32, offset: u64, length: u64, advice: u32);
        "fd_allocate" = files::fd_allocate, (fd: u32, offset: u64, length: u64);
        "fd_close" = files::fd_close, (fd: u32);
        "fd_datasync" = files::fd_sync, (fd: u32);
        "fd_fdstat_get" = files::fd_fdstat_get, (fd: u32, stat: u32);
        "fd_fdstat_set_flags" = files::fd_fdstat_set_flags, (fd: u32, flags: u32);
        "fd_fdstat_set_rights" = files::fd_fdstat_set_rights, (fd: u32, base: u64, inheriting: u64);
        "fd_filestat_get" = files::fd_filestat_get, (fd: u32, stat: u32);
        "fd_filestat_set_size" = files::fd_filestat_set_size, (fd: u32, size: u64);
        "fd_filestat_set_times" = files::fd_filestat_set_times, (fd: u32, atime: u64, mtime: u64, flags: u32);
        "fd_pread" = files::fd_pread, (fd: u32, list: u32, count: u32, offset: u64, size: u32);
        "fd_prestat_get" = files::fd_prestat_get, (fd: u32, stat: u32);
        "fd_prestat_dir_name" = files::fd_prestat_dir_name, (fd: u32, path: u32, length: u32);
        "fd_pwrite" = files::fd_pwrite, (fd: u32, list: u32, count: u32, offset: u64, size: u32);
        "fd_read" = files::fd_read, (fd: u32, list: u32, count: u32, size: u32);
        "fd_readdir" = files::fd_readdir, (fd: u32, buffer: u32, length: u32, cookie: u64, size: u32);
        "fd_renumber" = files::fd_renumber, (from: u32, to: u32);
        "fd_seek" = files::fd_seek, (fd: u32, offset: i64, whence: u32, position: u32);
        "fd_sync" = files::fd_sync, (fd: u32);
        "fd_tell" = files::fd_tell, (fd: u32, position: u32);
        "fd_write" = files::fd_write, (fd: u32, list: u32, count: u32, size: u32);
        "path_create_directory" = paths::path_create_directory, (fd: u32, path: u32, length: u32);
        "path_filestat_get" = paths::path_filestat_get, (fd: u32, flags: u32, path: u32, length: u32, stat: u32);
        "path_filestat_set_times" = paths::path_filestat_set_times,
            (fd: u32, flags: u32, path: u32, length: u32, atime: u64, mtime: u64, times: u32);
        "path_link" = paths::path_link,
            (old_fd: u32, flags: u32, old: u32, old_length: u32, fd: u32, path: u32, length: u32);
        "path_open" = paths::path_open,
            (fd: u32, lookup: u32, path: u32, length: u32, open: u32, base: u64, inheriting: u64, flags: u32, opened: u32);
        "path_readlink" = paths::path_readlink,
            (fd: u32, path: u32, length: u32, buffer: u32, room: u32, size: u32);
        "path_remove_directory" = paths::path_remove_directory, (fd: u32, path: u32, length: u32);
        "path_rename" = paths::path_rename,
            (old_fd: u32, old: u32, old_length: u32, fd: u32, path: u32, length: u32);
        "path_symlink" = paths::path_symlink, (target: u32, target_length: u32, fd: u32, path: u32, length: u32);
        "path_unlink_file" = paths::path_unlink_file, (fd: u32, path: u32, length: u32);
    }
    // It alone gives nothing back.
    let end = |mut caller: Caller<'_, Host>, code: u32| {
        answer(&mut caller, |_, _| {
            Err(Failure::End(wasmi::Error::i32_exit(code.cast_signed())))
        })
        .map(drop)
    };
    linker.func_wrap(MODULE, "proc_exit", end)?;
    Ok(())
}
