//! The reference: each field with what it may be and what it means, a line each.

use crate::language::{OBJECTS, Shape};

/// The tables of the language as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = String::new();
    for object in OBJECTS {
        text.push_str(&format!("\n## {}\n\n", capital(object.what)));
        let needs = object.needs.iter();
        let needs: Vec<String> = needs
            .map(|names| format!("`{}`", names.join("` or `")))
            .collect();
        if !needs.is_empty() {
            text.push_str(&format!("It needs {}.\n\n", needs.join(" and ")));
        }
        for field in object.fields {
            text.push_str(&format!(
                "- `{}` ({}): {}\n",
                field.name,
                of_shape(&field.shape),
                field.says
            ));
        }
    }
    text
}

fn of_shape(shape: &Shape) -> String {
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::TextOrNothing => "text or nothing".to_owned(),
        Shape::Switch => "true or false".to_owned(),
        Shape::Number => "number".to_owned(),
        Shape::Word(words) => format!("`{}`", words.join("`, `")),
        Shape::Digest => "digest".to_owned(),
        Shape::List(element) => format!("list of {}", of_shape(element)),
        Shape::OneOrMore(element) => format!("{}, or a list", of_shape(element)),
        Shape::Map(value) => format!("map to {}", of_shape(value)),
        Shape::Either(shapes) => {
            let shapes: Vec<String> = shapes.iter().map(of_shape).collect();
            shapes.join(" or ")
        }
        Shape::Object(object) => object.what.to_owned(),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
