#!/usr/bin/env bash
exec initdb
