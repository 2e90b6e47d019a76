//! `poll_oneoff`: waiting for a time, or for what is open, which is always ready.

use std::thread;
use std::time::Duration;

use super::abi::{Errno, Memory, read_u16, read_u32, read_u64};
use super::{Failure, Host, Result, Stopped, process};

/// The sizes of a `subscription` and of an `event`.
const SUBSCRIPTION: u32 = 48;
const EVENT: usize = 32;

/// How many subscriptions one call may have.
const MOST: u32 = 4096;

/// How often to look whether the build was cancelled.
const INTERVAL: Duration = Duration::from_millis(10);

/// What is waited for.
enum Wanted {
    /// A clock to show a time.
    Time { clock: u32, until: u64 },
    /// Something that can be read or written at once, or is not open.
    Ready(Result<(), Errno>),
}

struct Subscription {
    userdata: u64,
    kind: u8,
    wanted: Wanted,
}

pub fn poll_oneoff(
    host: &mut Host,
    memory: &mut Memory<'_>,
    subscriptions: u32,
    events: u32,
    count: u32,
    happened: u32,
) -> Result {
    if count == 0 || count > MOST {
        return Err(Errno::Invalid.into());
    }
    let list = memory.bytes(subscriptions, count * SUBSCRIPTION)?;
    let list = list
        .chunks_exact(SUBSCRIPTION as usize)
        .map(|bytes| subscription(host, bytes))
        .collect::<Result<Vec<_>, _>>()?;
    let due = loop {
        let due = due(host, &list)?;
        if !due.is_empty() {
            break due;
        }
        if host.is_stopped() {
            return Err(Failure::End(wasmi::Error::host(Stopped)));
        }
        thread::sleep(remaining(host, &list)?);
    };
    let number = u32::try_from(due.len() / EVENT).map_err(|_| Errno::Overflow)?;
    memory.put(events, &due)?;
    Ok(memory.put_u32(happened, number)?)
}

fn subscription(host: &Host, bytes: &[u8]) -> Result<Subscription, Errno> {
    const CLOCK: u8 = 0;
    const ABSOLUTE: u16 = 1;
    let kind = bytes[8];
    let wanted = match kind {
        CLOCK => {
            let clock = read_u32(bytes, 16);
            let timeout = read_u64(bytes, 24);
            let now = process::now(host, clock)?;
            let until = match read_u16(bytes, 40) & ABSOLUTE {
                0 => now.saturating_add(timeout),
                _ => timeout,
            };
            Wanted::Time { clock, until }
        }
        1 | 2 => Wanted::Ready(host.descriptors.get(read_u32(bytes, 16)).map(drop)),
        _ => return Err(Errno::Invalid),
    };
    Ok(Subscription {
        userdata: read_u64(bytes, 0),
        kind,
        wanted,
    })
}

/// The events that have happened.
fn due(host: &Host, list: &[Subscription]) -> Result<Vec<u8>, Errno> {
    let mut events = Vec::new();
    for subscription in list {
        let result = match subscription.wanted {
            Wanted::Time { clock, until } if process::now(host, clock)? < until => continue,
            Wanted::Time { .. } => Ok(()),
            Wanted::Ready(result) => result,
        };
        let mut event = [0; EVENT];
        event[..8].copy_from_slice(&subscription.userdata.to_le_bytes());
        let errno = result.err().map_or(0, |errno| errno as u16);
        event[8..10].copy_from_slice(&errno.to_le_bytes());
        event[10] = subscription.kind;
        // How many bytes: at least one.
        event[16] = u8::from(subscription.kind != 0);
        events.extend_from_slice(&event);
    }
    Ok(events)
}

/// How long to sleep: until the first time, but not long.
fn remaining(host: &Host, list: &[Subscription]) -> Result<Duration, Errno> {
    let mut shortest = INTERVAL;
    for subscription in list {
        if let Wanted::Time { clock, until } = subscription.wanted {
            let left = until.saturating_sub(process::now(host, clock)?);
            shortest = shortest.min(Duration::from_nanos(left));
        }
    }
    Ok(shortest)
}
