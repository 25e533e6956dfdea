-- Documents that another organization may read.
CREATE TABLE shares (
    organization_id TEXT NOT NULL,
    document_id TEXT NOT NULL,
    shared_with TEXT NOT NULL,
    PRIMARY KEY (organization_id, document_id, shared_with),
    FOREIGN KEY (organization_id, document_id) REFERENCES documents ON DELETE CASCADE
) STRICT;

CREATE INDEX shares_by_reader ON shares (shared_with);
