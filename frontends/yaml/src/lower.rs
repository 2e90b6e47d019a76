//! Pipelines to graphs: each platform read, the units that the wanted images need made in order, the images exported.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;
use stromatekt_pipeline::{
    ImageConfigs, ImageRequest, Lowered, LoweredExport, LoweredImage, Lowering, Options, Place,
    Problem, suggest,
};

use crate::builder::{Builder, Target};
use crate::load::Pipeline;
use crate::order;
use crate::program::Program;
use crate::spec::{Config, Content, Image, Spec, Stacking, UnitId, Work};
use crate::stage;
use crate::variables;

/// The graph of a pipeline's images; or the bases whose configs must be known, where `configs` lacks some.
///
/// # Errors
/// When the pipeline is wrong anywhere, whether that is wanted or not.
pub fn lower(
    pipeline: &Pipeline,
    options: &Options,
    configs: &ImageConfigs,
) -> Result<Lowering, Problem> {
    let host = match options.platforms.first() {
        Some(first) => first.clone(),
        None => options.host.clone(),
    };
    let first = Program::read(pipeline, options, &host)?;
    order::order(&first)?;
    let wanted = wanted(pipeline, options, &first)?;
    let mut targets: BTreeMap<Target, Vec<usize>> = BTreeMap::new();
    for (number, image) in wanted.iter().enumerate() {
        for target in targets_of(image, options) {
            targets.entry(target).or_default().push(number);
        }
    }
    let mut programs: Vec<Reading> = Vec::new();
    let mut first = Some(first);
    for (target, images) in targets {
        // What was read for the checks serves the target that it is for.
        let program = match first.take_if(|_| target.platform == host) {
            Some(program) => program,
            None => Program::read(pipeline, options, &target.platform)?,
        };
        // Names and matrices are the same for all platforms, so the images have the same numbers.
        let again = self::wanted(pipeline, options, &program)?;
        let images: Vec<(usize, Image)> = images
            .into_iter()
            .filter_map(|number| Some((number, again.get(number)?.clone())))
            .collect();
        programs.push((target, program, images));
    }
    let mut images = named(&wanted, &programs)?;
    let mut warnings = warnings(pipeline, options)?;
    let mut stages = HashMap::new();
    let mut requests: Vec<ImageRequest> = Vec::new();
    let mut plans = Vec::with_capacity(programs.len());
    for (target, program, images) in &programs {
        let roots: Vec<UnitId> = images
            .iter()
            .flat_map(|(_, image)| image.needs())
            .map(|need| need.unit)
            .collect();
        let is_needed = order::needed(program, &roots);
        let order = order::order(program)?;
        let plan: Vec<UnitId> = order.into_iter().filter(|unit| is_needed[unit.0]).collect();
        for unit in &plan {
            let more = requests_of(pipeline, options, configs, target, program, *unit)?;
            match more {
                Ok(Some(lowered)) => {
                    for warning in &lowered.warnings {
                        if !warnings.contains(warning) {
                            warnings.push(warning.clone());
                        }
                    }
                    stages.insert((target.clone(), *unit), lowered);
                }
                Ok(None) => {}
                Err(more) => {
                    for request in more {
                        let is_known = requests.iter().any(|known| {
                            (&known.location, &known.platform)
                                == (&request.location, &request.platform)
                        });
                        if !is_known {
                            requests.push(request);
                        }
                    }
                }
            }
        }
        plans.push(plan);
    }
    if !requests.is_empty() {
        return Ok(Lowering::NeedsImages(requests));
    }
    let Some((target, program, _)) = programs.first() else {
        return Err(start(pipeline).problem("there is nothing to build"));
    };
    let mut builder = Builder::new(options, configs, program, target.clone());
    builder.stages = stages;
    for ((target, program, wanted), plan) in programs.iter().zip(plans) {
        builder.turn_to(program, target.clone());
        for unit in plan {
            builder.make(unit)?;
        }
        for (number, image) in wanted {
            let (node, source_date_epoch) = builder.image(image)?;
            if let Some(lowered) = images.get_mut(*number) {
                lowered.exports.push(LoweredExport {
                    node,
                    platform: target.platform.normalized(),
                    source_date_epoch,
                });
            }
        }
    }
    Ok(Lowering::Done(Box::new(Lowered {
        graph: builder.graph,
        images,
        contexts: builder.contexts,
        warnings,
        uses_context: builder.uses_context,
    })))
}

/// What is read for a target, with the images that are wanted of it, each with its number.
type Reading = (Target, Program, Vec<(usize, Image)>);

/// The images with their names, and nothing yet that makes them. They are called as is read for what they are built for.
fn named(wanted: &[Image], readings: &[Reading]) -> Result<Vec<LoweredImage>, Problem> {
    let mut owners: HashMap<&ImageReference, (&Image, &Place)> = HashMap::new();
    let mut images = Vec::with_capacity(wanted.len());
    for (number, image) in wanted.iter().enumerate() {
        let read = readings.iter().flat_map(|(_, _, images)| images);
        let mut read = read
            .filter(|(other, _)| *other == number)
            .map(|(_, image)| image);
        let image = read.next().unwrap_or(image);
        let tags = || image.tags.iter();
        let mut others = read.flat_map(|other| other.tags.iter().zip(tags()));
        if let Some(((one, place), (other, _))) = others.find(|(one, other)| one.0 != other.0) {
            return Err(place
                .problem(format!(
                    "an image for several platforms has one name, not {} and {}",
                    other.familiar(),
                    one.familiar()
                ))
                .help("leave the platform out of the name, or make an image for each"));
        }
        for (tag, place) in tags() {
            if let Some((other, first)) = owners.insert(tag, (image, place)) {
                return Err(place
                    .problem(format!("two images get the name {}", tag.familiar()))
                    .also(format!("`{}` gets it, too", other.name), first.clone()));
            }
        }
        images.push(LoweredImage {
            name: image.name.clone(),
            exports: Vec::new(),
            is_index: image.is_index,
            tags: tags().map(|(tag, _)| tag.clone()).collect(),
            output: None,
        });
    }
    Ok(images)
}

/// What is asked for: images, and tasks as images of themselves.
fn wanted(
    pipeline: &Pipeline,
    options: &Options,
    program: &Program,
) -> Result<Vec<Image>, Problem> {
    let mut wanted: Vec<Image> = Vec::new();
    if options.targets.is_empty() {
        wanted.extend(
            program
                .images
                .iter()
                .filter(|image| image.module == 0)
                .cloned(),
        );
        if wanted.is_empty() {
            return Err(start(pipeline)
                .problem("the pipeline has no images")
                .help("add `images`, or say which task is wanted with --target"));
        }
    }
    for target in &options.targets {
        let is_meant = |image: &&Image| {
            image.name == *target
                || image
                    .name
                    .strip_prefix(target)
                    .is_some_and(|rest| rest.starts_with('['))
        };
        let found: Vec<Image> = program.images.iter().filter(is_meant).cloned().collect();
        if found.is_empty() {
            wanted.push(of_task(pipeline, program, target)?);
        }
        for image in found {
            if !wanted.iter().any(|known| known.name == image.name) {
                wanted.push(image);
            }
        }
    }
    Ok(wanted)
}

fn of_task(pipeline: &Pipeline, program: &Program, target: &str) -> Result<Image, Problem> {
    let place = start(pipeline);
    let found = program
        .names
        .resolve_text(0, target, &place)
        .map_err(|mut problem| {
            let images = program.images.iter().map(|image| image.name.as_str());
            let units = program.units.iter().map(|unit| unit.name.as_str());
            problem.message = format!("the target `{target}`: {}", problem.message);
            if problem.also.is_empty() {
                problem.help = suggest(target, images.chain(units));
            }
            problem
        })?;
    Ok(Image {
        module: 0,
        name: target.to_owned(),
        place: program.unit(found.unit).place.clone(),
        content: Content::Composed {
            layers: Stacking {
                uses: vec![found],
                is_ordered: false,
            },
            config: Box::new(Config::default()),
            expect: None,
        },
        tags: Vec::new(),
        platforms: Vec::new(),
        is_index: false,
        source_date_epoch: None,
    })
}

fn targets_of(image: &Image, options: &Options) -> BTreeSet<Target> {
    let asked = match options.platforms.as_slice() {
        [] => &image.platforms,
        _ => &options.platforms,
    };
    let target = |platform: &Platform, is_asked| Target {
        platform: platform.clone(),
        is_asked,
    };
    match asked.as_slice() {
        [] => [target(&options.host, false)].into(),
        asked => asked
            .iter()
            .map(|platform| target(platform, true))
            .collect(),
    }
}

type Needs = Result<Option<stromatekt_dockerfile::Lowered>, Vec<ImageRequest>>;

/// The bases that must be known to make a unit; and its stage, if it is one.
fn requests_of(
    pipeline: &Pipeline,
    options: &Options,
    configs: &ImageConfigs,
    target: &Target,
    program: &Program,
    unit: UnitId,
) -> Result<Needs, Problem> {
    let unit = program.unit(unit);
    match &unit.spec {
        Spec::Base(location, platform) => {
            let key = (location.clone(), platform.clone());
            if configs.contains_key(&key) {
                return Ok(Ok(None));
            }
            let (location, platform) = key;
            Ok(Err(vec![ImageRequest {
                location,
                platform,
                name: unit.name.clone(),
                place: unit.place.clone(),
            }]))
        }
        Spec::Task(task) => match &task.work {
            Work::Dockerfile(stage) => {
                let lowered = stage::lower(pipeline, options, configs, target, stage)?;
                Ok(lowered.map(Some))
            }
            Work::Steps { .. } => Ok(Ok(None)),
        },
        _ => Ok(Ok(None)),
    }
}

fn warnings(pipeline: &Pipeline, options: &Options) -> Result<Vec<String>, Problem> {
    let unused = variables::unused(pipeline, options)?;
    Ok(match unused.is_empty() {
        true => Vec::new(),
        false => vec![format!(
            "[Warning] One or more build-args [{}] were not consumed",
            unused.join(" ")
        )],
    })
}

/// The start of the main file.
fn start(pipeline: &Pipeline) -> Place {
    let file = match pipeline.modules.first() {
        Some(module) => std::sync::Arc::clone(&module.document.file),
        None => "".into(),
    };
    Place::start_of(&file)
}
