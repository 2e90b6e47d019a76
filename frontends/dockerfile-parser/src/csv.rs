//! One line of comma-separated values, where quotes keep commas: the fields of `--mount` and `--device`, and of buildx's own options.

/// The fields.
///
/// # Errors
/// What is wrong: the line is empty, or its quotes do not fit.
pub fn fields(line: &str) -> Result<Vec<String>, String> {
    if line.is_empty() {
        return Err("it is empty".to_owned());
    }
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, behind) = match rest.split_once(',') {
                Some((field, behind)) => (field, Some(behind)),
                None => (rest, None),
            };
            if field.contains('"') {
                return Err(format!("a quote in the midst of the field `{field}`"));
            }
            fields.push(field.to_owned());
            match behind {
                Some(behind) => rest = behind,
                None => return Ok(fields),
            }
            continue;
        };
        let (field, behind) = unquote(quoted)?;
        fields.push(field);
        rest = match behind.strip_prefix(',') {
            Some(next) => next,
            None if behind.is_empty() => return Ok(fields),
            None => return Err(format!("`{behind}` stands directly behind a quote")),
        };
    }
}

/// Reads up to the closing quote, where two quotes are one.
fn unquote(text: &str) -> Result<(String, &str), String> {
    let mut out = String::new();
    let mut rest = text;
    loop {
        let Some((part, behind)) = rest.split_once('"') else {
            return Err("a quote is not closed".to_owned());
        };
        out.push_str(part);
        match behind.strip_prefix('"') {
            Some(next) => {
                out.push('"');
                rest = next;
            }
            None => return Ok((out, behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_commas() {
        for (line, expected) in [
            ("a", &["a"][..]),
            ("a=b,c", &["a=b", "c"]),
            ("a,,", &["a", "", ""]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"a\"\"b\"", &["a\"b"]),
            ("\"\"", &[""]),
        ] {
            assert_eq!(fields(line).unwrap(), expected, "{line}");
        }
        for line in ["", "a\"b", "\"a", "\"a\"b", "x=\"a,b\""] {
            assert!(fields(line).is_err(), "{line}");
        }
    }
}
