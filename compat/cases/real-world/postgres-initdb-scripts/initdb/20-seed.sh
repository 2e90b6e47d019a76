#!/bin/sh
psql -c "INSERT INTO notes (body) VALUES ('hello')"
