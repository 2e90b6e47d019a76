#!/bin/busybox sh
printf '%s\n' "$0" "$@" > /args
