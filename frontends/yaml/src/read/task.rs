//! Tasks and their steps.

use stromatekt_pipeline::{Fields, Item, Kind, Problem};

use super::{Reading, digest, files, finish, settings, text, text_map};
use crate::language::{EXPECT, ONE, PER_STEP, STEP, TASK};
use crate::scope::SCRATCH_UNIT;
use crate::spec::{Expect, Settings, Spec, Stacking, Stage, Step, Task, Use, Work};

/// Which fields of a task say what a step does: `steps` says it instead.
const ACTIONS: [&str; 5] = ["directories", "copy", "files", "describe", "run"];

/// Reads a task.
pub fn task(item: &Item<'_>, reading: &Reading<'_>) -> Result<Spec, Problem> {
    let mut fields = item.fields(TASK.what)?;
    text(fields.take("about"))?;
    // Read when the matrix was.
    fields.take("matrix");
    let on = fields.take("on");
    let ordered = fields.take("ordered");
    let steps = fields.take("steps");
    let dockerfile = fields.take("dockerfile");
    let args = fields.take("args");
    let context = fields.take("context");
    let layers = fields.take("layers");
    let expect = expect(fields.take("expect"))?;
    let outer = settings::settings(&mut fields, reading)?;
    let own = step(&mut fields, item, reading)?;
    let action = ACTIONS.into_iter().find_map(|name| fields.take(name));
    let names = STEP.fields.iter().map(|field| field.name);
    let mut circumstances = names.filter(|name| !ACTIONS.contains(name));
    let circumstance = circumstances.find_map(|name| fields.take(name));
    let of_commands = settings::of_commands(&mut fields);
    let lacks_on = fields.problem("a task has no `on`, which it needs");
    finish(fields, &TASK)?;
    let is_per_step = match &layers {
        Some(item) => item.word("way to make layers", &[(ONE, false), (PER_STEP, true)])?,
        None => false,
    };
    let work = match dockerfile {
        Some(dockerfile) => {
            let others = [&on, &ordered, &steps, &layers, &action, &circumstance];
            if let Some(other) = others.into_iter().flatten().next() {
                return Err(other
                    .problem(format!(
                        "`{}` has no meaning beside `dockerfile`, which says all that is done",
                        other.place().path
                    ))
                    .help("put it into a second task that is `on` this one"));
            }
            let stage = stage(&dockerfile, args, context, reading)?;
            Work::Dockerfile(Box::new(stage))
        }
        None => {
            if let Some(other) = [args, context].iter().flatten().next() {
                return Err(other.problem(format!(
                    "`{}` belongs to a `dockerfile`",
                    other.place().path
                )));
            }
            let steps = match (steps, action) {
                (Some(steps), None) => {
                    let steps = steps.list()?;
                    let read = steps.iter().map(|item| listed(item, &outer, reading));
                    read.collect::<Result<Vec<_>, _>>()?
                }
                (Some(_), Some(action)) => {
                    return Err(action
                        .problem(format!(
                            "`{}` has no place beside `steps`",
                            action.place().path
                        ))
                        .help("make it a step"));
                }
                (None, _) => vec![Step {
                    settings: outer,
                    ..own
                }],
            };
            if is_per_step
                && let Some(with) = steps.iter().find_map(|step| step.settings.with.as_ref())
            {
                return Err(with
                    .place
                    .problem("what is done `with` other programs becomes one layer")
                    .help("leave `layers: per-step` out"));
            }
            let steps: Vec<Step> = steps.into_iter().filter(|step| !step.is_empty()).collect();
            if let Some(circumstance) = circumstance.filter(|_| steps.is_empty()) {
                return Err(circumstance.problem(format!(
                    "`{}` has no meaning in a task that does nothing",
                    circumstance.place().path
                )));
            }
            if let Some(circumstance) = of_commands
                && steps.iter().all(|step| step.commands.is_empty())
            {
                return Err(settings::without_command(&circumstance));
            }
            Work::Steps { steps, is_per_step }
        }
    };
    let on = match on {
        Some(on) => reading.stacking(&on, ordered)?,
        None if matches!(work, Work::Dockerfile(_)) => Stacking {
            uses: vec![Use {
                unit: SCRATCH_UNIT,
                layers: None,
                name: crate::names::SCRATCH.to_owned(),
                place: item.place(),
            }],
            is_ordered: false,
        },
        None => {
            return Err(lacks_on.help("`on: scratch` starts from nothing"));
        }
    };
    Ok(Spec::Task(Box::new(Task { on, work, expect })))
}

/// A step of a list, in the circumstances of its task.
fn listed(item: &Item<'_>, outer: &Settings, reading: &Reading<'_>) -> Result<Step, Problem> {
    let mut fields = item.fields(STEP.what)?;
    let own = settings::settings(&mut fields, reading)?;
    let mut step = step(&mut fields, item, reading)?;
    let of_commands = settings::of_commands(&mut fields);
    finish(fields, &STEP)?;
    if step.is_empty() {
        return Err(item
            .problem("this step does nothing")
            .help("`run`, `copy`, `files` and `directories` do something"));
    }
    if let Some(circumstance) = of_commands.filter(|_| step.commands.is_empty()) {
        return Err(settings::without_command(&circumstance));
    }
    step.settings = own.inside(outer);
    Ok(step)
}

/// What is done, without its circumstances.
fn step(fields: &mut Fields<'_>, item: &Item<'_>, reading: &Reading<'_>) -> Result<Step, Problem> {
    Ok(Step {
        place: item.place(),
        settings: Default::default(),
        files: files::actions(fields, reading)?,
        descriptions: files::descriptions(fields, reading)?,
        commands: settings::commands(fields)?,
    })
}

impl Step {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.descriptions.is_empty() && self.commands.is_empty()
    }
}

fn stage(
    item: &Item<'_>,
    args: Option<Item<'_>>,
    context: Option<Item<'_>>,
    reading: &Reading<'_>,
) -> Result<Stage, Problem> {
    let text = item.non_empty_text()?;
    let (file, target) = match text.split_once('#') {
        Some((_, "")) => {
            return Err(item
                .problem("there is no stage behind `#`")
                .help("name one, or leave `#` out for the last one"));
        }
        Some((file, target)) => (file, Some(target.to_owned())),
        None => (text.as_str(), None),
    };
    Ok(Stage {
        module: reading.module,
        file: file.to_owned(),
        target,
        args: args
            .map(|args| text_map(&args))
            .transpose()?
            .unwrap_or_default(),
        context: context.map(|context| reading.unit(&context)).transpose()?,
        place: item.place(),
    })
}

fn expect(item: Option<Item<'_>>) -> Result<Expect, Problem> {
    let Some(item) = item else {
        return Ok(Expect::default());
    };
    let with_place = |item: &Item<'_>| Ok((digest(item)?, item.place()));
    let Kind::Map(_) = item.kind() else {
        return Ok(Expect {
            tree: Some(with_place(&item)?),
            ..Expect::default()
        });
    };
    let mut fields = item.fields(EXPECT.what)?;
    let mut expect = Expect {
        tree: fields
            .take("tree")
            .map(|item| with_place(&item))
            .transpose()?,
        layer: fields
            .take("layer")
            .map(|item| with_place(&item))
            .transpose()?,
        files: Vec::new(),
    };
    if let Some(files) = fields.take("files") {
        for entry in files.entries()? {
            if !entry.name.starts_with('/') {
                return Err(entry
                    .name_place
                    .problem(format!("`{}` is no absolute path", entry.name))
                    .help(format!("write `/{}`", entry.name)));
            }
            let path = stromatekt_dockerfile::paths::clean(entry.name);
            expect
                .files
                .push((path, digest(&entry.item)?, entry.item.place()));
        }
    }
    finish(fields, &EXPECT)?;
    Ok(expect)
}
