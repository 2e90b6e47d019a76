//! Both builders have to start from the same base images.
//!
//! A base that the other builder has among its images is the one that it uses; stromatekt is given just that one, as a named
//! context (`--build-context NAME=oci-layout://…`), whatever its own store has under the name. The store's names stay as they are.
//! A base that the other builder has not comes from its registry, for both.

use std::ffi::OsString;
use std::path::Path;

use stromatekt_dockerfile::bases;
use stromatekt_engine::Engine;
use stromatekt_graph::op::ImageLocation;
use tokio_util::sync::CancellationToken;

use super::reference::Reference;
use crate::error::{DockerfileText, Result};
use crate::settings::Settings;

/// A base that stromatekt is given.
pub struct Given {
    /// The name in the Dockerfile.
    pub name: String,
    /// The option that gives it.
    pub option: OsString,
}

/// The bases that the other builder has, and the store has not just so.
///
/// # Errors
/// When an image cannot be had that is there.
pub async fn given(
    reference: &Reference,
    text: &DockerfileText,
    settings: &Settings,
    (root, directory): (&Path, &Path),
    cancel: &CancellationToken,
) -> Result<Vec<Given>> {
    // A Dockerfile that is wrong fails in the build, which tells why.
    let Some(requests) = text
        .parse()
        .ok()
        .and_then(|dockerfile| bases(&dockerfile, &settings.options).ok())
    else {
        return Ok(Vec::new());
    };
    let engine = match root.exists() {
        true => Some(Engine::open(root)?),
        false => None,
    };
    let mut given: Vec<Given> = Vec::new();
    for request in requests {
        let ImageLocation::Named(name) = &request.location else {
            continue;
        };
        // What a digest names is the same everywhere; what a named context stands for was chosen by the person.
        let is_chosen = request.name.parse().ok().as_ref() != Some(name);
        if is_chosen
            || name.digest().is_some()
            || given.iter().any(|known| known.name == request.name)
        {
            continue;
        }
        let familiar = name.familiar();
        let Some(id) = reference.id_of(&familiar, cancel).await? else {
            continue;
        };
        let own = engine
            .as_ref()
            .and_then(|engine| engine.inspect(&familiar).ok());
        if own.is_some_and(|own| own.id.hex() == id) {
            continue;
        }
        let path = directory.join(format!("base-{}", given.len()));
        reference.save_image(&familiar, &path, cancel).await?;
        let mut option = OsString::from(format!("--build-context={}=oci-layout://", request.name));
        option.push(&path);
        given.push(Given {
            name: request.name,
            option,
        });
    }
    Ok(given)
}
