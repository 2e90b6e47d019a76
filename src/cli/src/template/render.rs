//! A template filled in with a value.

use serde_json::Value;

use super::function;
use super::{Branch, Node, Operand, Pipeline};

/// Appends what the nodes show of a value; `top` is the whole of it.
pub fn nodes(nodes: &[Node], dot: &Value, top: &Value, out: &mut String) -> Result<(), String> {
    for node in nodes {
        match node {
            Node::Text(text) => out.push_str(text),
            Node::Print(pipeline) => {
                let value = evaluate(pipeline, dot, top)?;
                match (&value, nil(pipeline)) {
                    (Value::Null, Some(text)) => out.push_str(text),
                    _ => out.push_str(&function::text(&value)),
                }
            }
            Node::If(branch) => {
                let is_true = function::truth(&evaluate(&branch.on, dot, top)?);
                self::nodes(chosen(branch, is_true), dot, top, out)?;
            }
            Node::With(branch) => {
                let value = evaluate(&branch.on, dot, top)?;
                match function::truth(&value) {
                    true => self::nodes(&branch.then, &value, top, out)?,
                    false => self::nodes(&branch.otherwise, dot, top, out)?,
                }
            }
            Node::Range(branch) => range(branch, dot, top, out)?,
        }
    }
    Ok(())
}

fn chosen(branch: &Branch, is_true: bool) -> &[Node] {
    match is_true {
        true => &branch.then,
        false => &branch.otherwise,
    }
}

fn range(branch: &Branch, dot: &Value, top: &Value, out: &mut String) -> Result<(), String> {
    let each: Vec<Value> = match evaluate(&branch.on, dot, top)? {
        Value::Array(values) => values,
        // Go goes through the keys in their order.
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.into_iter().map(|(_, value)| value).collect()
        }
        Value::Null => Vec::new(),
        other => return Err(format!("`range` goes through lists, not `{other}`")),
    };
    if each.is_empty() {
        return nodes(&branch.otherwise, dot, top, out);
    }
    each.iter()
        .try_for_each(|value| nodes(&branch.then, value, top, out))
}

fn evaluate(pipeline: &Pipeline, dot: &Value, top: &Value) -> Result<Value, String> {
    let mut piped: Option<Value> = None;
    for command in &pipeline.0 {
        let Some((first, rest)) = command.split_first() else {
            continue;
        };
        let mut args = rest
            .iter()
            .map(|operand| value(operand, dot, top))
            .collect::<Result<Vec<_>, _>>()?;
        args.extend(piped.take());
        piped = Some(match first {
            Operand::Function(name) => function::call(name, &args)?,
            operand if args.is_empty() => value(operand, dot, top)?,
            _ => return Err("only functions take arguments".to_owned()),
        });
    }
    Ok(piped.unwrap_or_default())
}

fn value(operand: &Operand, dot: &Value, top: &Value) -> Result<Value, String> {
    match operand {
        Operand::Field(names) => field(dot, names),
        Operand::Top(names) => field(top, names),
        Operand::Group(pipeline, names) => field(&evaluate(pipeline, dot, top)?, names),
        Operand::Function(name) => function::call(name, &[]),
        Operand::Literal(value) => Ok(value.clone()),
    }
}

fn field(value: &Value, names: &[String]) -> Result<Value, String> {
    let mut value = value.clone();
    for name in names {
        // The name in Go's struct is `ID`, that in its JSON `Id`: docker takes both.
        let found = value.get(name).or_else(|| match name.as_str() {
            "ID" => value.get("Id"),
            _ => None,
        });
        let found = found.cloned().or_else(|| match value.is_object() {
            true => left_out(name),
            false => None,
        });
        value = found.ok_or_else(|| format!("there is no `.{name}`"))?;
    }
    Ok(value)
}

/// What docker's struct has, and its JSON leaves out where it is empty.
fn left_out(name: &str) -> Option<Value> {
    match name {
        "DockerVersion" | "OsVersion" | "StopSignal" | "Variant" => Some(Value::from("")),
        "ExposedPorts" | "Healthcheck" | "Shell" => Some(Value::Null),
        _ => None,
    }
}

/// How Go shows nothing where a list or a map could be: these are docker's.
fn nil(pipeline: &Pipeline) -> Option<&'static str> {
    let [command] = pipeline.0.as_slice() else {
        return None;
    };
    let [Operand::Field(names) | Operand::Top(names)] = command.as_slice() else {
        return None;
    };
    match names.last()?.as_str() {
        "Cmd" | "Entrypoint" | "Env" | "OnBuild" | "Shell" => Some("[]"),
        "Labels" | "Volumes" | "ExposedPorts" => Some("map[]"),
        _ => None,
    }
}
