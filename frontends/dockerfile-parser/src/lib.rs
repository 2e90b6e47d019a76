//! The Dockerfile language: lines, words, typed instructions, ignore files; positions on everything.
