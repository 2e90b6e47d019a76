CREATE INDEX notes_body ON notes (lower(body));
