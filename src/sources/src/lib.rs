//! Fetches what a build reads besides images: contexts, git repositories, files over HTTP.
