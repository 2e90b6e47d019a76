//! Which units something needs.

use crate::spec::{Action, Content, Image, MountKind, Spec, Step, Task, Unit, Use, Work};

impl Unit {
    /// The units that this one needs.
    pub fn needs(&self) -> Vec<&Use> {
        match &self.spec {
            Spec::Task(task) => task.needs(),
            _ => Vec::new(),
        }
    }
}

impl Task {
    fn needs(&self) -> Vec<&Use> {
        let mut uses: Vec<&Use> = self.on.uses.iter().collect();
        match &self.work {
            Work::Steps { steps, .. } => steps.iter().for_each(|step| step.needs(&mut uses)),
            Work::Dockerfile(stage) => uses.extend(&stage.context),
        }
        uses
    }
}

impl Step {
    fn needs<'a>(&'a self, uses: &mut Vec<&'a Use>) {
        uses.extend(&self.settings.with);
        for mount in &self.settings.mounts {
            match &mount.kind {
                MountKind::Bind { from, .. } => uses.extend(from),
                MountKind::Cache { from, .. } => uses.extend(from.as_ref().map(|(from, _)| from)),
                _ => {}
            }
        }
        for (action, _) in &self.files {
            if let Action::Copy(copy) = action {
                uses.push(&copy.from);
            }
        }
        for description in &self.descriptions {
            description
                .layers
                .iter()
                .for_each(|named| uses.extend(&named.uses));
        }
    }
}

impl Image {
    /// The units that it needs.
    pub fn needs(&self) -> Vec<&Use> {
        match &self.content {
            Content::Composed { layers, config, .. } => {
                layers.uses.iter().chain(&config.from).collect()
            }
            Content::Written(written) => {
                let named = written.layers.iter().flat_map(|named| &named.uses);
                std::iter::once(&written.by).chain(named).collect()
            }
        }
    }
}
