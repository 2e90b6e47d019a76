//! The configs of the base images that a Dockerfile waits for, and failures that are about its lines.

use std::sync::Arc;

use stromatekt_dockerfile::{Dockerfile, ImageConfigs, ImageRequest};
use stromatekt_graph::op::ImageLocation;
use stromatekt_oci::platform::Platform;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::{DockerfileText, Error, FailedBuild, Result};

/// Has images looked up, all at the same time; the first that is not found ends it.
///
/// # Errors
/// When one is not found, with the line that names it.
pub async fn resolve<F>(
    requests: Vec<ImageRequest>,
    look_up: impl Fn(ImageLocation, Platform, CancellationToken) -> F,
    dockerfile: &Dockerfile,
    text: &DockerfileText,
    cancel: &CancellationToken,
) -> Result<ImageConfigs>
where
    F: Future<Output = Result<ImageConfigs, Arc<stromatekt_engine::Error>>> + Send + 'static,
{
    let cancel = cancel.child_token();
    let mut tasks = JoinSet::new();
    for request in requests {
        let (location, platform) = (request.location.clone(), request.platform.clone());
        let found = look_up(location, platform, cancel.clone());
        tasks.spawn(async move { found.await.map_err(|error| (request, error)) });
    }
    let mut configs = ImageConfigs::new();
    let mut first_error = None;
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(Ok(found)) => configs.extend(found),
            Ok(Err((request, error))) => {
                cancel.cancel();
                first_error.get_or_insert_with(|| {
                    let similar = request.similar_stage.as_ref();
                    let hint = similar.map(|stage| format!("did you mean the stage `{stage}`?"));
                    failed(error, text, Some(dockerfile.lines(request.span)), hint)
                });
            }
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Err(Error::Interrupted),
            },
        }
    }
    match first_error {
        Some(error) => Err(error),
        None => Ok(configs),
    }
}

/// A failure, with the lines that it is about.
pub fn failed(
    error: Arc<stromatekt_engine::Error>,
    text: &DockerfileText,
    lines: Option<(u32, u32)>,
    hint: Option<String>,
) -> Error {
    Error::Build(Box::new(FailedBuild {
        error,
        text: text.clone(),
        lines,
        hint,
        steps: Vec::new(),
    }))
}
