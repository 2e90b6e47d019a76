//! What a plan needs before it can be carried out: the stages that the target needs, and the triggers that their bases bring.

use std::borrow::Cow;
use std::collections::BTreeSet;

use stromatekt_dockerfile_parser::{Span, nearest};

use crate::error::{Error, Problem, Result};
use crate::lowered::{ImageConfigs, ImageRequest};
use crate::plan::Plan;
use crate::reading;
use crate::source::{ImageSource, Source};

/// What a plan needs before it can be carried out.
pub enum Readiness {
    /// Nothing: these stages, in this order.
    Ready(Vec<usize>),
    /// The configs of these images.
    Needs(Vec<ImageRequest>),
}

impl Plan<'_> {
    /// The stages that the target needs, in order, with the triggers that their bases bring; or the images that must be known before.
    pub fn ready(&mut self, configs: &ImageConfigs) -> Result<Readiness> {
        loop {
            let reachable = self.reachable();
            let requests = self.missing(&reachable, configs);
            let mut has_changed = false;
            for &index in &reachable {
                has_changed |= self.add_triggers(index, configs)?;
            }
            if !has_changed {
                if !requests.is_empty() {
                    return Ok(Readiness::Needs(requests));
                }
                self.check_order(&reachable)?;
                return Ok(Readiness::Ready(reachable.into_iter().collect()));
            }
        }
    }

    fn reachable(&self) -> BTreeSet<usize> {
        if self.checks.all_stages {
            return (0..self.stages.len()).collect();
        }
        let mut reachable = BTreeSet::new();
        let mut rest = vec![self.target];
        while let Some(index) = rest.pop() {
            if !reachable.insert(index) {
                continue;
            }
            let stage = &self.stages[index];
            if let Source::Stage(from) = stage.replaced.as_ref().unwrap_or(&stage.base) {
                rest.push(*from);
            }
            if stage.replaced.is_none() {
                rest.extend(self.copied_stages(index).map(|(from, _)| from));
            }
        }
        reachable
    }

    fn check_order(&self, reachable: &BTreeSet<usize>) -> Result<()> {
        for &index in reachable {
            if self.stages[index].replaced.is_some() {
                continue;
            }
            if let Some((from, span)) = self.copied_stages(index).find(|(from, _)| *from >= index) {
                return Err(Problem::LaterStage {
                    stage: self.stages[index].title.clone(),
                    from: self.stages[from].title.clone(),
                }
                .at(span));
            }
        }
        Ok(())
    }

    /// The images of these stages whose configs are not known.
    fn missing(&self, stages: &BTreeSet<usize>, configs: &ImageConfigs) -> Vec<ImageRequest> {
        let names = self.names();
        let mut requests: Vec<ImageRequest> = Vec::new();
        let mut need = |image: &ImageSource, span: Span| {
            let is_known = configs.contains_key(&(image.location.clone(), image.platform.clone()))
                || requests.iter().any(|request| {
                    request.location == image.location && request.platform == image.platform
                });
            if !is_known {
                requests.push(ImageRequest {
                    location: image.location.clone(),
                    platform: image.platform.clone(),
                    name: image.name.clone(),
                    span,
                    similar_stage: nearest(
                        &image.name,
                        names.iter().copied().filter(|name| !name.is_empty()),
                    ),
                });
            }
        };
        for &index in stages {
            let stage = &self.stages[index];
            if let Source::Image(image) = stage.replaced.as_ref().unwrap_or(&stage.base) {
                need(image, stage.span);
            }
            for step in stage.steps.iter().filter(|_| stage.replaced.is_none()) {
                for source in step.from.iter().flatten() {
                    if let Source::Image(image) = source {
                        need(image, step.instruction.span);
                    }
                }
            }
        }
        requests
    }

    /// Puts the triggers of a stage's base before its steps, once they are known. Whether there were any.
    fn add_triggers(&mut self, index: usize, configs: &ImageConfigs) -> Result<bool> {
        let stage = &self.stages[index];
        if stage.has_triggers || stage.replaced.is_some() {
            return Ok(false);
        }
        let triggers: Vec<String> = match &stage.base {
            Source::Image(image) => {
                match configs.get(&(image.location.clone(), image.platform.clone())) {
                    Some(config) => config.config.on_build.clone(),
                    None => return Ok(false),
                }
            }
            Source::Stage(base) => self.stages[*base]
                .steps
                .iter()
                .filter_map(|step| reading::trigger(&step.instruction))
                .collect(),
            Source::Scratch | Source::Files(..) => Vec::new(),
        };
        let span = stage.span;
        let mut steps = Vec::new();
        for trigger in triggers {
            let step = reading::parse_trigger(&trigger, span)
                .and_then(|instruction| self.step(Cow::Owned(instruction), Some(trigger.clone())))
                .map_err(|problem| in_trigger(problem, &trigger, span))?;
            steps.push(step.0);
        }
        let stage = &mut self.stages[index];
        stage.has_triggers = true;
        stage.labels.add(steps.len());
        let has_any = !steps.is_empty();
        stage.steps.splice(0..0, steps);
        Ok(has_any)
    }
}

/// A problem in a trigger, at the FROM that brought it.
pub fn in_trigger(problem: Problem, trigger: &str, span: Span) -> Error {
    Problem::Trigger {
        trigger: trigger.to_owned(),
        problem: Box::new(problem),
    }
    .at(span)
}
