//! A pipeline as a graph: the timelines that the wanted images need, in order, for each platform.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use stromatekt_dockerfile::proxy_environment;
use stromatekt_graph::Graph;
use stromatekt_oci::reference::ImageReference;
use stromatekt_pipeline::{
    Document, ImageConfigs, Lowered, LoweredExport, LoweredImage, Lowering, Options, Place,
    Problem, suggest,
};

use crate::build::Builder;
use crate::image::{self, MadeImage};
use crate::model::{Pipeline, StepKind};
use crate::order::{Order, order};
use crate::scope::Scope;
use crate::{read, timeline};

/// An image that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    timeline: usize,
    /// The step that makes it; the image of the whole timeline where absent.
    step: Option<usize>,
}

/// The graph of a JSON pipeline; or further images whose configs must be known, where `configs` lacks some.
///
/// `overrides` says for names of images that they are in an OCI layout or archive at this path instead.
///
/// # Errors
/// When the pipeline is not as it should be, or a target is not in it.
pub fn lower(
    document: &Document,
    options: &Options,
    configs: &ImageConfigs,
    overrides: &BTreeMap<String, PathBuf>,
) -> Result<Lowering, Problem> {
    let pipeline = read::pipeline(document)?;
    let scope = Scope::new(&pipeline)?;
    let order = order(&pipeline, &scope)?;
    let wanted = wanted(document, &pipeline, options)?;
    let platforms = match options.platforms.as_slice() {
        [] => std::slice::from_ref(&options.host),
        several => several,
    };
    let mut builder = Builder {
        pipeline: &pipeline,
        scope: &scope,
        directory: Path::new(&*document.file).parent().unwrap_or(Path::new("")),
        options,
        overrides,
        configs,
        platform: options.host.clone(),
        graph: Graph::new(),
        requests: Vec::new(),
        contexts: BTreeMap::new(),
        uses_context: false,
        finished: BTreeMap::new(),
    };
    let mut images: Vec<LoweredImage> = Vec::new();
    let mut warnings = unused(options).into_iter().collect::<Vec<_>>();
    for platform in platforms {
        builder.platform = platform.normalized();
        builder.finished.clear();
        for timeline in needed(&order, &wanted) {
            timeline::lower(&mut builder, timeline)?;
        }
        for (position, wanted) in wanted.iter().enumerate() {
            let made = made(&mut builder, *wanted)?;
            if made.is_written && !options.labels.is_empty() && images.len() <= position {
                warnings.push(format!(
                    "the image {} gets no labels: a step of the pipeline writes its config",
                    made.name
                ));
            }
            let export = LoweredExport {
                node: made.node,
                platform: platform.normalized(),
                source_date_epoch: options.source_date_epoch,
            };
            match images.get_mut(position) {
                Some(image) => image.exports.push(export),
                None => images.push(LoweredImage {
                    name: made.name,
                    exports: vec![export],
                    is_index: made.is_index || platforms.len() > 1,
                    tags: made.tags,
                    output: made.output,
                }),
            }
        }
    }
    if !builder.requests.is_empty() {
        return Ok(Lowering::NeedsImages(builder.requests));
    }
    Ok(Lowering::Done(Box::new(Lowered {
        graph: builder.graph,
        images,
        contexts: builder.contexts,
        warnings,
        uses_context: builder.uses_context,
    })))
}

/// What the command line says of variables, of which JSON pipelines have none: only proxies reach the steps.
fn unused(options: &Options) -> Option<String> {
    let is_proxy = |name: &str| {
        let given = [(name.to_owned(), "set".to_owned())].into();
        !proxy_environment(&given).is_empty()
    };
    let names = options.variables.keys().map(String::as_str);
    let names: Vec<&str> = names.filter(|name| !is_proxy(name)).collect();
    (!names.is_empty()).then(|| {
        format!(
            "[Warning] One or more build-args [{}] were not consumed",
            names.join(" ")
        )
    })
}

fn made(builder: &mut Builder<'_>, wanted: Wanted) -> Result<MadeImage, Problem> {
    let pipeline = builder.pipeline;
    let timeline = &pipeline.timelines[wanted.timeline];
    let place = &timeline.name.place;
    let finished = builder.finished.get(&wanted.timeline);
    let missing = || place.problem("nothing came of this timeline");
    let finished = finished.ok_or_else(missing)?;
    match wanted.step {
        Some(step) => finished.images.get(&step).cloned().ok_or_else(missing),
        None => {
            let stack = finished.stack.clone();
            image::of_timeline(builder, timeline, stack, place)
        }
    }
}

/// The timelines that images need, in order.
fn needed(order: &Order, wanted: &[Wanted]) -> Vec<usize> {
    let mut is_needed = vec![false; order.needs.len()];
    let mut stack: Vec<usize> = wanted.iter().map(|wanted| wanted.timeline).collect();
    while let Some(timeline) = stack.pop() {
        if !std::mem::replace(&mut is_needed[timeline], true) {
            stack.extend(&order.needs[timeline]);
        }
    }
    let all = order.order.iter().copied();
    all.filter(|timeline| is_needed[*timeline]).collect()
}

/// An image that a step makes.
struct Named<'p> {
    name: &'p str,
    place: &'p Place,
    wanted: Wanted,
}

/// What is built: the targets of the command line, else what `export` says, else all images.
fn wanted(
    document: &Document,
    pipeline: &Pipeline,
    options: &Options,
) -> Result<Vec<Wanted>, Problem> {
    let all = images(pipeline)?;
    // The whole file is too long to be shown.
    let mut top = document.place(document.root.span, "");
    top.span.end = top.span.start;
    let mut found: Vec<Wanted> = Vec::new();
    let mut add = |more: Vec<Wanted>| {
        for one in more {
            if !found.contains(&one) {
                found.push(one);
            }
        }
    };
    if !options.targets.is_empty() {
        for target in &options.targets {
            add(called(target, pipeline, &all, &top)?);
        }
    } else if let Some(export) = &pipeline.export {
        for name in export {
            add(called(&name.text, pipeline, &all, &name.place)?);
        }
    } else {
        add(all.iter().map(|image| image.wanted).collect());
    }
    match found.is_empty() {
        false => Ok(found),
        true => Err(top.problem("no image comes of this pipeline").help(
            "a step of type `export-image` makes one; so does naming a timeline in `export`",
        )),
    }
}

fn images(pipeline: &Pipeline) -> Result<Vec<Named<'_>>, Problem> {
    let mut all: Vec<Named<'_>> = Vec::new();
    let mut tags: Vec<(&ImageReference, &Place)> = Vec::new();
    for (index, timeline) in pipeline.timelines.iter().enumerate() {
        for (step, one) in timeline.steps.iter().enumerate() {
            let StepKind::ExportImage(export) = &one.kind else {
                continue;
            };
            let (name, place) = match &export.name {
                Some(name) => (name.text.as_str(), &name.place),
                None => (timeline.name.text.as_str(), &one.place),
            };
            if let Some(first) = all.iter().find(|image| image.name == name) {
                return Err(place
                    .problem(format!("two images are called `{name}`"))
                    .also("it is the name of this", first.place.clone())
                    .help("`name` gives an image another name than that of its timeline"));
            }
            for (tag, place) in &export.tags {
                if let Some((_, first)) = tags.iter().find(|(known, _)| *known == tag) {
                    return Err(place
                        .problem(format!("two images get the name {}", tag.familiar()))
                        .also("it is given here", (*first).clone()));
                }
                tags.push((tag, place));
            }
            all.push(Named {
                name,
                place,
                wanted: Wanted {
                    timeline: index,
                    step: Some(step),
                },
            });
        }
    }
    Ok(all)
}

/// The images that a name means: an image, or all of a timeline.
fn called(
    name: &str,
    pipeline: &Pipeline,
    images: &[Named<'_>],
    place: &Place,
) -> Result<Vec<Wanted>, Problem> {
    if let Some(image) = images.iter().find(|image| image.name == name) {
        return Ok(vec![image.wanted]);
    }
    let mut timelines = pipeline.timelines.iter();
    let plain = name.strip_suffix(".result").unwrap_or(name);
    if let Some(timeline) = timelines.position(|timeline| timeline.name.text == plain) {
        let of_it = images.iter().map(|image| image.wanted);
        let of_it: Vec<Wanted> = of_it.filter(|wanted| wanted.timeline == timeline).collect();
        return Ok(match of_it.is_empty() {
            false => of_it,
            true => vec![Wanted {
                timeline,
                step: None,
            }],
        });
    }
    let known = images.iter().map(|image| image.name);
    let timelines = pipeline.timelines.iter();
    let known: BTreeSet<&str> = known
        .chain(timelines.map(|one| one.name.text.as_str()))
        .collect();
    let mut problem = place.problem(format!("no image and no timeline is called `{name}`"));
    problem.help = suggest(name, known);
    Err(problem)
}
