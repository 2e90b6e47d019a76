//! Building with another builder, and images from anywhere, to be compared.
//!
//! - [`images`]: an image by any spelling, read
//! - [`arguments`]: the options of `build` as they were given, for several builders
//! - [`bases`]: the base images of the other builder, which both have to start from
//! - [`reference`]: the other builder
//! - [`blame`]: which line a failed build blames
//! - [`program`]: other programs, run to their end

pub mod arguments;
pub mod bases;
pub mod blame;
pub mod images;
pub mod program;
pub mod reference;
