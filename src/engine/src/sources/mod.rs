//! What a build starts from besides images: the build context, git repositories, files from the web.
