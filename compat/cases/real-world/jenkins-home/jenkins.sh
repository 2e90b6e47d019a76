#! /bin/bash -e
exec "$@"
