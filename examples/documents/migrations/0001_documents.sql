-- The organization is part of the key: no document can be named without it.
CREATE TABLE documents (
    organization_id TEXT NOT NULL,
    id TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (organization_id, id)
) STRICT;

CREATE INDEX documents_by_age ON documents (organization_id, created_at);
