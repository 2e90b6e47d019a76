//! Tests of JSON pipelines as a whole: texts in, graphs or problems out, and back.

mod examples;
mod given;
mod layers;
mod mutations;
mod problems;
mod round_trip;
mod schema;
