//! Copies files between trees with the semantics of COPY and ADD.
