//! Ctrl-C: the first one stops the work and lets it clean up, the second ends the program at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// A token that SIGINT or SIGTERM cancels.
///
/// # Errors
/// When the signals cannot be watched.
pub fn on_signal() -> Result<CancellationToken> {
    let watch = |kind| signal(kind).map_err(|source| Error::Runtime { source });
    let mut interrupt = watch(SignalKind::interrupt())?;
    let mut terminate = watch(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let canceled = token.clone();
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        canceled.cancel();
        either(&mut interrupt, &mut terminate).await;
        // What is left running dies with this process, and the next one cleans up after it.
        std::process::exit(Error::Interrupted.exit_code().into());
    });
    Ok(token)
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
