//! `stromatekt build`: reads, lowers and builds a Dockerfile.

use std::path::Path;

use stromatekt_engine::{BuildRequest, Built};

use crate::commands::call;
use crate::context::Place;
use crate::error::{Error, Result};
use crate::git_labels;
use crate::image_requests;
use crate::interrupt;
pub use crate::options::Args;
use crate::output::print;
use crate::pictures::{self, Pictures};
use crate::prepare::Work;
use crate::progress::watch::Watch;
use crate::report;
use crate::result_files;
use crate::settings::{EPOCH, Settings};

/// The build arg that keeps `.git` in a context that is a git repository.
const KEEP_GIT_DIR: &str = "BUILDKIT_CONTEXT_KEEP_GIT_DIR";

/// Builds.
///
/// # Errors
/// When the options, the Dockerfile or the build are at fault, or the person stopped it.
pub async fn run(root: &Path, args: Args) -> Result<()> {
    pictures::check(&args)?;
    if let Some(call) = args.call.asked() {
        return call::run(root, args, call).await;
    }
    let mut settings = Settings::new(&args)?;
    settings.warnings.iter().for_each(|text| report::note(text));
    let place = Place::find(&args.context)?;
    let pictures = Pictures::open(&args)?;
    if let Place::Directory(directory) = &place {
        let dockerfile = match &args.file {
            Some(file) => file.into(),
            None => directory.join("Dockerfile"),
        };
        match git_labels::labels(directory, &dockerfile) {
            // As with buildx, they win over --label.
            Ok(labels) => settings.options.labels.extend(labels),
            Err(reason) => {
                report::note(&format!("there are no labels of the repository: {reason}"))
            }
        }
    }
    if let Some(path) = &args.iidfile {
        result_files::remove_old(path)?;
    }
    let cancel = interrupt::on_signal()?;
    let watch = Watch::start_recording(settings.mode, pictures.recorder())?;
    let prints_id = settings.prints_id;
    let work = Work::new(root, &args, &watch.events, &cancel);
    let result = build(&work, place, settings).await;
    let shown = watch.finish();
    let drawn = pictures.write(shown.recorder);
    if let (Err(_), Err(undrawn)) = (&result, &drawn) {
        // The build's own failure is what is reported.
        report::note(&undrawn.to_string());
    }
    let built = match result {
        Ok(built) => built,
        Err(_) if cancel.is_cancelled() => return Err(Error::Interrupted),
        Err(Error::Build(mut failed)) => {
            failed.steps = shown.failed;
            return Err(Error::Build(failed));
        }
        Err(error) => return Err(error),
    };
    drawn?;
    if let Some(path) = &args.iidfile {
        for (_, image) in &built {
            result_files::write_id(path, image)?;
        }
    }
    if let Some(path) = &args.metadata_file {
        result_files::write_metadata(path, &built)?;
    }
    if prints_id {
        for (_, image) in &built {
            print(&format!("{}\n", image.id))?;
        }
    }
    Ok(())
}

/// What was made of each image, with its name in a pipeline.
async fn build(
    work: &Work<'_>,
    place: Place,
    mut settings: Settings,
) -> Result<Vec<(Option<String>, Built)>> {
    let place = of_repository(place, &settings);
    let mut prepared = work.prepare(place, &mut settings).await?;
    let images = image_requests::of(&prepared.images, &settings)?;
    if work.args.iidfile.is_some() && images.len() > 1 {
        return Err(Error::Usage {
            what: format!(
                "--iidfile has room for one id, and {} images are built",
                images.len()
            ),
            hint: "--metadata-file tells of all of them; or choose one with --target".into(),
        });
    }
    let request = BuildRequest {
        graph: std::mem::take(&mut prepared.graph),
        images,
        contexts: std::mem::take(&mut prepared.contexts),
        secrets: settings.secrets,
        ssh: settings.ssh,
        pull: work.args.pull,
    };
    let engine = work.engine()?;
    let built = engine
        .build(request, work.events, work.cancel.clone())
        .await;
    let built = built.map_err(|error| prepared.failed(error))?;
    let names = prepared.images.into_iter().map(|image| image.name);
    Ok(names.zip(built).collect())
}

/// Where the build args ask for it, a repository as context keeps what git knows of it; and, as with BuildKit, its files have the time of
/// the commit where the times of the image are asked for.
pub fn of_repository(place: Place, settings: &Settings) -> Place {
    let args = &settings.options.build_args;
    let keeps = args
        .get(KEEP_GIT_DIR)
        .is_some_and(|text| crate::options::go_bool(text) == Ok(true));
    let has_epoch = args.get(EPOCH).is_some_and(|epoch| !epoch.is_empty());
    match place {
        Place::Git(mut git) => {
            git.keep_git_dir |= keeps;
            git.commit_time |= has_epoch;
            Place::Git(git)
        }
        place => place,
    }
}
