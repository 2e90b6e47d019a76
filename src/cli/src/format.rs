//! `--format` of verbs that list: columns, JSON objects, or a Go template for each line.

use serde::Serialize;
use serde_json::Value;

use crate::commands::image_inspect::filled;
use crate::error::{Error, Result};
use crate::template::Template;

/// How lines are printed.
#[derive(Clone, Debug, PartialEq)]
pub enum Format {
    /// Columns.
    Table,
    /// A template for each line; `json` is one.
    Lines(Template),
}

impl Format {
    /// Reads the option's value.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" | "table" => Ok(Self::Table),
            text if text.starts_with("table ") => {
                Err("columns of one's own are not supported: leave `table` out".to_owned())
            }
            text => {
                // As docker: shells hand these over as they are.
                let text = text.replace(r"\t", "\t").replace(r"\n", "\n");
                Template::parse(&text).map(Self::Lines)
            }
        }
    }
}

/// A line for each row, as a template has it.
///
/// # Errors
/// When it asks for what rows have not.
pub fn lines(template: &Template, rows: &[impl Serialize]) -> Result<String> {
    let mut text = String::new();
    for row in rows {
        let value: Value = serde_json::to_value(row)
            .map_err(|error| Error::file("write to", "standard output")(error.into()))?;
        text.push_str(&filled(template, &value)?);
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_row_is_a_line() {
        let rows = [
            json!({ "Name": "a", "Tag": "1" }),
            json!({ "Name": "b", "Tag": "2" }),
        ];
        let shown = |format: &str| match Format::parse(format) {
            Ok(Format::Lines(template)) => {
                lines(&template, &rows).map_err(|error| error.to_string())
            }
            other => Err(format!("{other:?}")),
        };
        assert_eq!(shown(r"{{.Name}}\t{{.Tag}}").as_deref(), Ok("a\t1\nb\t2\n"));
        assert_eq!(
            shown("json").as_deref(),
            Ok("{\"Name\":\"a\",\"Tag\":\"1\"}\n{\"Name\":\"b\",\"Tag\":\"2\"}\n")
        );
        assert!(shown("{{.Nope}}").is_err());
        assert_eq!(Format::parse("table"), Ok(Format::Table));
        assert!(Format::parse("table {{.Name}}").is_err());
    }
}
