//! The process: its arguments and environment, clocks, random bytes; and the sockets that it does not have.

use std::time::{SystemTime, UNIX_EPOCH};

use super::abi::{Errno, Memory};
use super::{Failure, Host, Result, Stopped};

/// `clockid`. Those of processor time are not offered: the thread is one of many, and wasi-libc does without.
pub const REALTIME: u32 = 0;
pub const MONOTONIC: u32 = 1;

/// How many random bytes are made between two looks whether the build was cancelled.
const RANDOM_PIECE: usize = 1 << 20;

pub fn args_get(host: &mut Host, memory: &mut Memory<'_>, list: u32, buffer: u32) -> Result {
    put_texts(memory, &host.arguments, list, buffer)
}

pub fn args_sizes_get(host: &mut Host, memory: &mut Memory<'_>, count: u32, size: u32) -> Result {
    put_sizes(memory, &host.arguments, count, size)
}

pub fn environ_get(host: &mut Host, memory: &mut Memory<'_>, list: u32, buffer: u32) -> Result {
    put_texts(memory, &host.variables, list, buffer)
}

pub fn environ_sizes_get(
    host: &mut Host,
    memory: &mut Memory<'_>,
    count: u32,
    size: u32,
) -> Result {
    put_sizes(memory, &host.variables, count, size)
}

/// Writes texts, each with a NUL after it, and a list of where they are.
fn put_texts(memory: &mut Memory<'_>, texts: &[Vec<u8>], mut list: u32, mut buffer: u32) -> Result {
    let after = |pointer: u32, length: usize| {
        let length = u32::try_from(length).map_err(|_| Errno::Overflow)?;
        pointer.checked_add(length).ok_or(Errno::Fault)
    };
    for text in texts {
        memory.put_u32(list, buffer)?;
        memory.put(buffer, text)?;
        let end = after(buffer, text.len())?;
        memory.put(end, &[0])?;
        (list, buffer) = (after(list, 4)?, after(end, 1)?);
    }
    Ok(())
}

fn put_sizes(memory: &mut Memory<'_>, texts: &[Vec<u8>], count: u32, size: u32) -> Result {
    let number = |number: usize| u32::try_from(number).map_err(|_| Errno::Overflow);
    let bytes = texts.iter().map(|text| text.len() + 1).sum();
    memory.put_u32(count, number(texts.len())?)?;
    Ok(memory.put_u32(size, number(bytes)?)?)
}

pub fn clock_res_get(
    host: &mut Host,
    memory: &mut Memory<'_>,
    clock: u32,
    resolution: u32,
) -> Result {
    now(host, clock)?;
    Ok(memory.put_u64(resolution, 1)?)
}

pub fn clock_time_get(
    host: &mut Host,
    memory: &mut Memory<'_>,
    clock: u32,
    _precision: u64,
    time: u32,
) -> Result {
    let now = now(host, clock)?;
    Ok(memory.put_u64(time, now)?)
}

/// What a clock shows, in nanoseconds.
pub fn now(host: &Host, clock: u32) -> Result<u64, Errno> {
    let time = match clock {
        REALTIME => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_err(|_| Errno::Overflow)?,
        MONOTONIC => host.started.elapsed(),
        _ => return Err(Errno::Invalid),
    };
    u64::try_from(time.as_nanos()).map_err(|_| Errno::Overflow)
}

pub fn random_get(host: &mut Host, memory: &mut Memory<'_>, buffer: u32, length: u32) -> Result {
    for piece in memory.bytes_mut(buffer, length)?.chunks_mut(RANDOM_PIECE) {
        if host.is_stopped() {
            return Err(Failure::End(wasmi::Error::host(Stopped)));
        }
        getrandom::fill(piece).map_err(|_| Errno::Io)?;
    }
    Ok(())
}

pub fn sched_yield(_: &mut Host, _: &mut Memory<'_>) -> Result {
    std::thread::yield_now();
    Ok(())
}

pub fn proc_raise(_: &mut Host, _: &mut Memory<'_>, _signal: u32) -> Result {
    Err(Errno::NotSupported.into())
}

pub fn sock_accept(
    host: &mut Host,
    _: &mut Memory<'_>,
    fd: u32,
    _flags: u32,
    _accepted: u32,
) -> Result {
    no_socket(host, fd)
}

#[expect(clippy::too_many_arguments, reason = "WASI has as many")]
pub fn sock_recv(
    host: &mut Host,
    _: &mut Memory<'_>,
    fd: u32,
    _list: u32,
    _count: u32,
    _flags: u32,
    _size: u32,
    _told: u32,
) -> Result {
    no_socket(host, fd)
}

pub fn sock_send(
    host: &mut Host,
    _: &mut Memory<'_>,
    fd: u32,
    _list: u32,
    _count: u32,
    _flags: u32,
    _size: u32,
) -> Result {
    no_socket(host, fd)
}

pub fn sock_shutdown(host: &mut Host, _: &mut Memory<'_>, fd: u32, _how: u32) -> Result {
    no_socket(host, fd)
}

fn no_socket(host: &Host, fd: u32) -> Result {
    host.descriptors.get(fd)?;
    Err(Errno::NotSocket.into())
}
