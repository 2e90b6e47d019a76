//! `--format TEMPLATE`: the part of Go's templates that people use to pick values out of what docker shows.
//!
//! Text with actions between `{{` and `}}`: fields (`.Config.Env`), pipes, parentheses, `if`, `range`, `with`, `else`, comments, `-`
//! to trim, and the functions in [`function`]. Variables and definitions are refused.

mod function;
mod parse;
mod render;

use serde_json::Value;

/// A template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    nodes: Vec<Node>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Text(String),
    Print(Pipeline),
    If(Branch),
    Range(Branch),
    With(Branch),
}

/// What is shown once, for each, or not at all.
#[derive(Clone, Debug, PartialEq)]
struct Branch {
    on: Pipeline,
    then: Vec<Node>,
    otherwise: Vec<Node>,
}

/// Commands, each of which gets the value of the one before it as its last argument.
#[derive(Clone, Debug, PartialEq)]
struct Pipeline(Vec<Vec<Operand>>);

/// A part of a command.
#[derive(Clone, Debug, PartialEq)]
enum Operand {
    /// `.A.B`; `.` alone has no names.
    Field(Vec<String>),
    /// `$.A`: from the top.
    Top(Vec<String>),
    /// `(…)`, or `(…).A`.
    Group(Pipeline, Vec<String>),
    /// A function.
    Function(String),
    /// A value as it stands.
    Literal(Value),
}

impl Template {
    /// Reads a template; `json` is short for `{{json .}}`.
    ///
    /// # Errors
    /// When it is none, or has what is not supported.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = match text {
            "json" => "{{json .}}",
            text => text,
        };
        parse::parse(text).map(|nodes| Self { nodes })
    }

    /// The text for a value, without a line end.
    ///
    /// # Errors
    /// When the template asks for what is not there.
    pub fn render(&self, value: &Value) -> Result<String, String> {
        let mut out = String::new();
        render::nodes(&self.nodes, value, value, &mut out)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(template: &str) -> Result<String, String> {
        let value = json!({
            "Id": "sha256:0123456789abcdef",
            "RepoTags": ["a:latest", "b:2"],
            "Size": 5,
            "Created": "",
            "Config": {
                "Env": ["PATH=/bin", "A=<1>"], "Labels": { "b": "2", "a.b": "1" }, "Cmd": null, "Volumes": null,
            },
        });
        Template::parse(template)?.render(&value)
    }

    #[test]
    fn templates_are_filled_in_as_go_does_it() {
        for (template, expected) in [
            ("plain", "plain"),
            ("{{.Id}}", "sha256:0123456789abcdef"),
            ("{{ .ID }}!", "sha256:0123456789abcdef!"),
            ("{{.Size}} {{.Config.Env}}", "5 [PATH=/bin A=<1>]"),
            ("{{.Config.Labels}}", "map[a.b:1 b:2]"),
            ("{{.Config.Cmd}}{{.Config.Volumes}}", "[]map[]"),
            (
                "{{.Variant}}{{.Config.ExposedPorts}}{{.Config.Shell}}{{.Config.Healthcheck}}",
                "map[][]<nil>",
            ),
            ("{{json .Config.Cmd}}", "null"),
            ("{{json .Config.Env}}", r#"["PATH=/bin","A=<1>"]"#),
            ("{{.RepoTags | json}}", r#"["a:latest","b:2"]"#),
            (r#"{{index .Config.Labels "a.b"}}"#, "1"),
            (r#"{{index .Config.Labels "none"}}"#, ""),
            ("{{index .RepoTags 1}}", "b:2"),
            ("{{(index .RepoTags 0) | upper}}", "A:LATEST"),
            (r#"{{join .RepoTags ", "}}"#, "a:latest, b:2"),
            ("{{len .RepoTags}}", "2"),
            ("{{slice .Id 7 19}}", "0123456789ab"),
            ("{{truncate .Id 6}}", "sha256"),
            (r#"{{printf "%.6s|%d|%q" .Id .Size "x"}}"#, "sha256|5|\"x\""),
            (
                "{{range .Config.Env}}{{println .}}{{end}}",
                "PATH=/bin\nA=<1>\n",
            ),
            (
                "{{range $.RepoTags}}{{$.Size}}{{.}} {{end}}",
                "5a:latest 5b:2 ",
            ),
            ("{{range .Config.Cmd}}x{{else}}none{{end}}", "none"),
            (
                "{{if .Created}}yes{{else if eq .Size 5}}five{{else}}no{{end}}",
                "five",
            ),
            ("{{with .Config}}{{len .Env}}{{end}}", "2"),
            ("a {{- /* comment */ -}} b", "ab"),
            ("{{if and .Id (not .Created)}}{{\"}}\"}}{{end}}", "}}"),
            (r"{{`raw`}}{{true}}{{1}}", "rawtrue1"),
            (
                "json",
                r#"{"Id":"sha256:0123456789abcdef","RepoTags":["a:latest","b:2"],"Size":5,"Created":"","Config":{"Env":["PATH=/bin","A=<1>"],"Labels":{"b":"2","a.b":"1"},"Cmd":null,"Volumes":null}}"#,
            ),
        ] {
            assert_eq!(rendered(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_is_not_understood_or_not_there_is_named() {
        for (template, said) in [
            ("{{.Nope}}", ".Nope"),
            ("{{.Config.Nope.X}}", ".Nope"),
            ("{{.Size.X}}", ".X"),
            ("{{nope .}}", "nope"),
            ("{{index .RepoTags 5}}", "5"),
            ("{{", "}}"),
            ("{{if .Id}}", "end"),
            ("{{end}}", "end"),
            ("{{$x := .Id}}", "variable"),
            ("{{template \"x\"}}", "template"),
            ("{{\"x}}", "quote"),
            ("{{}}", "empty"),
            ("{{len .Size}}", "len"),
            ("{{json}}", "json"),
        ] {
            let error = rendered(template).expect_err(template);
            assert!(error.contains(said), "{template}: {error}");
        }
    }
}
