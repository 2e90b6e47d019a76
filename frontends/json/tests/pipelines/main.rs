//! Tests of JSON pipelines as a whole: texts in, graphs or problems out, and back.

mod command_line;
mod examples;
mod given;
mod layers;
mod mutations;
mod problems;
mod refusals;
mod round_trip;
mod schema;
