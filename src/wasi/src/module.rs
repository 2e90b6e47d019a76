//! A module and its interpreter, in a thread that is confined to the tree.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc::O_NONBLOCK;
use stromatekt_executor::{Outcome, Stream};
use stromatekt_graph::run::Run;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;
use wasmi::{Config, CustomFuelCosts, Engine, Linker, ResumableCall, Store, TrapCode};

use crate::error::{Error, Result};
use crate::preview1::{self, Host, Stopped};

/// What a command of WASI begins with.
const START: &str = "_start";

/// How large the file of a module may be.
const MAX_SIZE: u64 = 512 << 20;

/// About how many instructions run between two looks whether the build was cancelled: a millisecond or two, unless this program is a debug build.
const SLICE: u64 = 500_000;

/// How many instructions what runs before `_start` may take. It cannot be interrupted, so it is bounded.
const MAX_START: u64 = 5_000_000;

/// How deep calls may be nested, and how many bytes their values may take: what programs find on Linux.
const MAX_DEPTH: usize = 100_000;
const MAX_STACK: usize = 8 << 20;

/// A module to run.
#[derive(Debug)]
pub struct Module {
    pub run: Run,
    /// Its environment, as `NAME=VALUE`.
    pub variables: Vec<Vec<u8>>,
    /// Where goes what it writes.
    pub output: Sender<(Stream, Vec<u8>)>,
    /// Cancelled, it ends.
    pub stop: CancellationToken,
}

/// Runs it to its end.
pub fn run(module: Module) -> Result<Outcome> {
    let path = module.run.args.first().map(String::as_str);
    let path = Path::new(&module.run.cwd).join(path.unwrap_or_default());
    let name = path.display().to_string();
    let bytes = read(&path)?;
    let unfit = |reason: String| Error::NotAModule {
        path: name.clone(),
        reason,
    };
    if is_component(&bytes) {
        return Err(unfit(
            "it is a component; build a module of WASI preview 1, as `--target wasm32-wasip1` does for Rust".to_owned(),
        ));
    }
    let engine = engine();
    let compiled = wasmi::Module::new(&engine, &bytes).map_err(|error| unfit(error.to_string()))?;
    drop(bytes);
    let host = Host::new(module).map_err(Error::file("open", "/"))?;
    let mut store = Store::new(&engine, host);
    store.limiter(|host| &mut host.memory);
    let mut linker = Linker::new(&engine);
    preview1::define(&mut linker).map_err(|error| unfit(error.to_string()))?;
    let ended = call(&mut store, &linker, &compiled);
    outcome(ended, store.data(), &name)
}

fn engine() -> Engine {
    let mut config = Config::default();
    config
        .consume_fuel(true)
        .fuel_cost(CustomFuelCosts {
            bytes_copied_per_fuel: 64,
            // A function is translated when it is first called, and a call that runs out of fuel for that cannot be gone on with. So it
            // costs none: it is done but once.
            fuel_per_bytes_translated: 0,
            fuel_per_bytes_validated: 0,
        })
        .set_max_recursion_depth(MAX_DEPTH)
        .set_max_stack_height(MAX_STACK);
    Engine::new(&config)
}

/// Why a module did not end by returning.
enum Stop {
    /// It was not begun.
    Unfit(wasmi::Error),
    /// It ended itself, or was ended.
    Ended(wasmi::Error),
}

fn call(
    store: &mut Store<Host>,
    linker: &Linker<Host>,
    module: &wasmi::Module,
) -> Result<(), Stop> {
    store.set_fuel(MAX_START).map_err(Stop::Ended)?;
    let instance =
        linker
            .instantiate_and_start(&mut *store, module)
            .map_err(|error| match error.as_trap_code() {
                Some(TrapCode::OutOfFuel) => Stop::Unfit(wasmi::Error::new(
                    "what comes before `_start` takes too long",
                )),
                Some(_) => Stop::Ended(error),
                None if error.i32_exit_status().is_some() => Stop::Ended(error),
                None if error.downcast_ref::<Stopped>().is_some() => Stop::Ended(error),
                None => Stop::Unfit(error),
            })?;
    let start = instance
        .get_typed_func::<(), ()>(&mut *store, START)
        .map_err(|_| {
            let reason = "it has no function `_start`, so it is no command but a library";
            Stop::Unfit(wasmi::Error::new(reason))
        })?;
    store.set_fuel(SLICE).map_err(Stop::Ended)?;
    let mut call = start.func().call_resumable(&mut *store, &[], &mut []);
    loop {
        match call.map_err(Stop::Ended)? {
            ResumableCall::Finished => return Ok(()),
            ResumableCall::HostTrap(trap) => return Err(Stop::Ended(trap.into_host_error())),
            ResumableCall::OutOfFuel(paused) => {
                if store.data().is_stopped() {
                    return Err(Stop::Ended(wasmi::Error::host(Stopped)));
                }
                // A single instruction that fills much memory needs much.
                let fuel = paused.required_fuel().max(SLICE);
                store.set_fuel(fuel).map_err(Stop::Ended)?;
                call = paused.resume(&mut *store, &mut []);
            }
        }
    }
}

/// What a step is told of how its module ended.
fn outcome(ended: Result<(), Stop>, host: &Host, name: &str) -> Result<Outcome> {
    let path = || name.to_owned();
    let ran_out = |ended: String| Error::Memory {
        path: path(),
        limit: host.memory.limit(),
        ended,
    };
    let was_refused = host.memory.was_refused();
    match ended {
        Ok(()) => Ok(Outcome { exit: 0 }),
        Err(Stop::Unfit(_)) if was_refused => Err(ran_out("less than it begins with".to_owned())),
        Err(Stop::Unfit(error)) => Err(Error::NotAModule {
            path: path(),
            reason: error.to_string(),
        }),
        Err(Stop::Ended(error)) => match error.i32_exit_status() {
            Some(exit) if exit != 0 && was_refused => {
                Err(ran_out(format!("and it ended with exit code {exit}")))
            }
            Some(exit) => Ok(Outcome { exit }),
            None if error.downcast_ref::<Stopped>().is_some() => Err(Error::Cancelled),
            None if was_refused => Err(ran_out(format!("and it was stopped by a trap: {error}"))),
            None => Err(Error::Trap {
                path: path(),
                reason: error.to_string(),
            }),
        },
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let mut options = File::options();
    // A named pipe that nobody writes to would be waited for.
    options.read(true).custom_flags(O_NONBLOCK);
    let file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Error::NoModule {
            path: path.display().to_string(),
        },
        _ => Error::file("open", path)(error),
    })?;
    let found = file.metadata().map_err(Error::file("look at", path))?;
    let unfit = |reason: &str| Error::NotAModule {
        path: path.display().to_string(),
        reason: reason.to_owned(),
    };
    if !found.is_file() {
        return Err(unfit("it is no file"));
    }
    if found.len() > MAX_SIZE {
        return Err(unfit("it is larger than 512 MiB"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_SIZE)
        .read_to_end(&mut bytes)
        .map_err(Error::file("read", PathBuf::from(path)))?;
    if !bytes.starts_with(b"\0asm") {
        return Err(unfit("it does not begin as WebAssembly does"));
    }
    Ok(bytes)
}

/// Whether a binary is of WebAssembly's component model: its layer is 1, where a module's is 0.
fn is_component(bytes: &[u8]) -> bool {
    bytes.get(6..8) == Some(&[1, 0])
}
