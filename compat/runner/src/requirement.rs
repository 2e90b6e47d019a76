//! Where things are, and whether they may be missing.

use std::env;
use std::path::{Path, PathBuf};

/// Whether a docker must be there: where cases are not to be skipped (`STROMATEKT_REQUIRE_DOCKER`, or continuous integration's `CI`).
#[must_use]
pub fn is_docker_required() -> bool {
    ["STROMATEKT_REQUIRE_DOCKER", "CI"].iter().any(|name| {
        env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0" && value != "false")
    })
}

/// Where `make setup` leaves base images: `STROMATEKT_LAB`, or in the person's cache.
#[must_use]
pub fn lab() -> PathBuf {
    if let Some(lab) = env::var_os("STROMATEKT_LAB") {
        return PathBuf::from(lab);
    }
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home =
        || PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache");
    cache.unwrap_or_else(home).join("stromatekt-lab")
}

/// `compat` in the checkout.
#[must_use]
pub fn compat() -> PathBuf {
    let runner = Path::new(env!("CARGO_MANIFEST_DIR"));
    runner.parent().unwrap_or(runner).to_owned()
}
