//! The plan for programs. The fields stay; there may be more of them in the future.
//!
//! | field | what |
//! | --- | --- |
//! | `version` | 1 |
//! | `title` | what would be built |
//! | `steps` | all steps, inputs before users |
//! | `steps[].id` | its number, counted from 1 |
//! | `steps[].label` | what it is, in one line for people |
//! | `steps[].kind` | the operation: `image`, `context`, `git`, `http`, `scratch`, `run`, `file`, `diff`, `layer`, `stack`, `expect`, `objects`, `export`, `written` |
//! | `steps[].origin` | `file`, `firstLine` and `lastLine` of the text that it came from, or null |
//! | `steps[].inputs` | the ids of the steps whose results it takes |
//! | `steps[].output` | what it yields: `tree`, `changeset`, `blob`, `image` |
//! | `steps[].state` | `cached`, `runs`, or `unknown` until others have run |
//! | `steps[].why` | why it would run or is not known; null where it is cached, or nobody looked |
//! | `steps[].wave` | steps of one wave can run at the same time |
//! | `steps[].seconds` | how long it took the last time, or null |
//! | `images` | `name`, and the `step` that yields it |
//! | `notes` | sentences for people |

use serde_json::{Value, json};

use super::{Plan, PlanStep, why, word_of};

/// The text of a JSON file.
pub fn render(plan: &Plan) -> String {
    let images = plan
        .images
        .iter()
        .map(|image| json!({ "name": image.name, "step": image.step }));
    let value = json!({
        "version": 1,
        "title": plan.title,
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "images": images.collect::<Vec<_>>(),
        "notes": plan.notes,
    });
    format!("{value:#}\n")
}

fn step(step: &PlanStep) -> Value {
    let origin = step.origin.as_ref().map(|origin| {
        json!({ "file": *origin.file, "firstLine": origin.first_line, "lastLine": origin.last_line })
    });
    let reason = Some(why(&step.state)).filter(|why| !why.is_empty());
    json!({
        "id": step.id,
        "label": step.label,
        "kind": step.kind.name(),
        "origin": origin,
        "inputs": step.inputs,
        "output": step.output.to_string(),
        "state": word_of(&step.state),
        "why": reason,
        "wave": step.wave,
        "seconds": step.seconds,
    })
}
