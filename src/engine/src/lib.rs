//! Executes a graph: resolves images, schedules steps, keeps their results, exports images.
