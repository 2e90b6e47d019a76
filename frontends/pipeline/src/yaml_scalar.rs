//! What a scalar of YAML is: the core schema (YAML 1.2.2, section 10.3), numbers left as written.

use saphyr_parser::{ScalarStyle, Tag};

use crate::document::Kind;

/// The value of a scalar; an error says why there is none.
pub fn kind(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Kind, String> {
    let Some(tag) = tag else {
        return Ok(match style {
            ScalarStyle::Plain => plain(text),
            _ => Kind::String(text.to_owned()),
        });
    };
    if !tag.is_yaml_core_schema() {
        return Err(format!("the tag `{tag}` is not known"));
    }
    let kind = match tag.suffix.as_str() {
        "str" => return Ok(Kind::String(text.to_owned())),
        "null" | "bool" | "int" | "float" => plain(text),
        other => return Err(format!("the tag `!!{other}` is not known for a scalar")),
    };
    match (tag.suffix.as_str(), &kind) {
        ("null", Kind::Null) | ("bool", Kind::Bool(_)) | ("int" | "float", Kind::Number(_)) => {
            Ok(kind)
        }
        (suffix, _) => Err(format!("`{text}` is no `!!{suffix}`")),
    }
}

fn plain(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ if is_number(text) => Kind::Number(text.to_owned()),
        _ => Kind::String(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let all = |digits: &str, radix| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if let Some(digits) = text.strip_prefix("0o") {
        return all(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return all(digits, 16);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_is_sound = exponent
        .is_none_or(|exponent| all(exponent.strip_prefix(['-', '+']).unwrap_or(exponent), 10));
    let mantissa_is_sound = match mantissa.split_once('.') {
        None => all(mantissa, 10),
        Some((whole, fraction)) => {
            (all(whole, 10) && (fraction.is_empty() || all(fraction, 10)))
                || (whole.is_empty() && all(fraction, 10))
        }
    };
    mantissa_is_sound && exponent_is_sound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_what_the_core_schema_says() {
        for text in [
            "0", "-1", "+12", "0755", "0o17", "0xFf", "1.", ".5", "1.5e3", "1e-9", "-.inf", ".nan",
        ] {
            assert_eq!(plain(text), Kind::Number(text.into()), "{text}");
        }
        for text in [
            "yes", "on", "0b1", "1.2.3", "1_000", "-", ".", "e3", "12:30", "0o8", "+.nan", "tRue",
        ] {
            assert_eq!(plain(text), Kind::String(text.into()), "{text}");
        }
        assert_eq!(plain("~"), Kind::Null);
        assert_eq!(plain("False"), Kind::Bool(false));
    }
}
