//! Lowers a Dockerfile to the graph.
