//! `stromatekt plan`: what a build would do, which steps can run at the same time, and why each would run.

use std::path::Path;

use clap::ValueEnum;
use stromatekt_engine::BuildRequest;
use stromatekt_view::plan::{Plan, Root, dot, json, page, svg, text};

use crate::commands::build::of_repository;
use crate::context::Place;
use crate::error::{Error, Result};
use crate::image_requests;
use crate::interrupt;
use crate::options;
use crate::output::print;
use crate::pictures;
use crate::prepare::{Prepared, Work};
use crate::progress::Mode;
use crate::progress::watch::Watch;
use crate::report;
use crate::settings::Settings;

/// The options of `plan`: those of a build, and how the plan is shown.
#[derive(Clone, Debug, clap::Args)]
// Those of a build have the name of their struct, which this one has, too.
#[group(id = "plan")]
pub struct Args {
    /// What would be built.
    #[command(flatten)]
    pub build: options::Args,
    /// How the plan is shown: text, dot (Graphviz), json, svg, or html (one page to look at)
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "text",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub format: Format,
}

/// How a plan is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned lines.
    Text,
    /// Graphviz' language.
    Dot,
    /// For programs.
    Json,
    /// A picture.
    Svg,
    /// A page with the picture.
    Html,
}

/// Plans.
///
/// # Errors
/// When what is to be built is wrong, or the store cannot be used.
pub async fn run(root: &Path, args: Args) -> Result<()> {
    refuse_results(&args.build)?;
    let mut settings = Settings::new(&args.build)?;
    settings.warnings.iter().for_each(|text| report::note(text));
    let place = Place::find(&args.build.context)?;
    let cancel = interrupt::on_signal()?;
    let watch = Watch::start(Mode::Quiet)?;
    let work = Work::new(root, &args.build, &watch.events, &cancel);
    let planned = plan(&work, place, &mut settings).await;
    watch.finish();
    let plan = match planned {
        Err(_) if cancel.is_cancelled() => return Err(Error::Interrupted),
        planned => planned?,
    };
    let shown = match args.format {
        Format::Text => text::render(&plan),
        Format::Dot => dot::render(&plan),
        Format::Json => json::render(&plan),
        Format::Svg => svg::render(&plan),
        Format::Html => page::render(&plan),
    };
    print(&shown)
}

/// Nothing is built: there is nothing to tell of it.
fn refuse_results(args: &options::Args) -> Result<()> {
    let asked = [
        ("--iidfile", args.iidfile.is_some()),
        ("--metadata-file", args.metadata_file.is_some()),
        ("--timeline", args.timeline.is_some()),
        ("--trace", args.trace.is_some()),
        ("--call and --check", args.call.asked().is_some()),
    ];
    match asked.iter().find(|(_, is_asked)| *is_asked) {
        None => Ok(()),
        Some((option, _)) => Err(Error::Usage {
            what: format!("a plan builds nothing, and so has no use for {option}"),
            hint: "leave it out, or build".into(),
        }),
    }
}

async fn plan(work: &Work<'_>, place: Place, settings: &mut Settings) -> Result<Plan> {
    let place = of_repository(place, settings);
    let mut prepared = work.prepare(place, settings).await?;
    let request = BuildRequest {
        graph: prepared.graph.clone(),
        images: image_requests::of(&prepared.images, settings)?,
        contexts: std::mem::take(&mut prepared.contexts),
        secrets: settings.secrets.clone(),
        ssh: settings.ssh.clone(),
        pull: work.args.pull,
    };
    let explained = work.engine()?.explain(request, work.cancel.clone()).await;
    let forecasts = explained.map_err(|error| prepared.failed(error))?;
    let title = pictures::title(work.args);
    let roots = roots(&prepared);
    let notes = prepared.notes.iter();
    let notes = notes.map(|note| format!("{}: {} ({})", note.label, note.text, note.pass.name()));
    Ok(Plan::new(
        title,
        &prepared.graph,
        &roots,
        &forecasts,
        notes.collect(),
    ))
}

/// What is asked of the graph: an image of each name and platform.
fn roots(prepared: &Prepared) -> Vec<Root> {
    let images = prepared.images.iter();
    let exports = images.flat_map(|image| image.exports.iter().map(move |export| (image, export)));
    exports
        .map(|(image, export)| Root {
            node: export.node,
            name: match &image.name {
                Some(name) => format!("{name} ({})", export.platform),
                None => export.platform.to_string(),
            },
        })
        .collect()
}
