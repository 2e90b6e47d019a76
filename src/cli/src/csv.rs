//! One line of comma-separated values, as the options of buildx are written: `type=oci,"dest=a,b"`.

/// The fields of a line. A field in double quotes may have commas in it, and quotes that are doubled.
///
/// # Errors
/// What is wrong with the quotes.
pub fn fields(line: &str) -> Result<Vec<String>, &'static str> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => match rest.find(['"', ',']) {
                Some(at) if rest[at..].starts_with('"') => {
                    return Err("a field with a `\"` in it must begin with one");
                }
                Some(at) => (rest[..at].to_owned(), &rest[at..]),
                None => (rest.to_owned(), ""),
            },
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err("after a closing `\"` comes a comma"),
        }
    }
}

/// A field whose opening quote was taken off, and what follows its closing quote.
fn quoted_field(text: &str) -> Result<(String, &str), &'static str> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let Some(at) = rest.find('"') else {
            return Err("a `\"` is not closed");
        };
        field.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Ok((field, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_separated_by_commas_outside_of_quotes() {
        let cases: [(&str, &[&str]); 6] = [
            ("", &[""]),
            ("a", &["a"]),
            ("a=1,b=2", &["a=1", "b=2"]),
            ("\"a=1,2\",b", &["a=1,2", "b"]),
            ("\"say \"\"hi\"\"\",", &["say \"hi\"", ""]),
            (",", &["", ""]),
        ];
        for (line, expected) in cases {
            assert_eq!(fields(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn quotes_that_do_not_fit_are_refused() {
        for line in ["\"a", "a\"b", "\"a\"b", "\"a\"\""] {
            assert!(fields(line).is_err(), "{line}");
        }
    }
}
