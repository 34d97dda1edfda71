-- +goose Up

-- A validator belongs to the subject that registered it, or to the whole tenant if an
-- admin registered it. Validators that other keys registered before this version get
-- the scope former: they apply to every subject that has none of its own with the same
-- id, and cannot be replaced.
CREATE TABLE owned_validators (
    tenant        TEXT    NOT NULL,
    scope         TEXT    NOT NULL CHECK (scope IN ('tenant', 'subject', 'former')),
    owner         TEXT    NOT NULL CHECK ((owner <> '') = (scope = 'subject')), -- the subject
    id            TEXT    NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1),
    config        TEXT    NOT NULL, -- the JSON text as it was registered: the order of names counts
    registered_by TEXT    NOT NULL,
    key_id        TEXT    NOT NULL,
    registered_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, scope, owner, id)
) STRICT, WITHOUT ROWID;

INSERT INTO owned_validators (tenant, scope, owner, id, version, config, registered_by, key_id, registered_at)
SELECT v.tenant, CASE WHEN k.role = 'admin' THEN 'tenant' ELSE 'former' END, '', v.id, v.version, v.config, v.registered_by, v.key_id, v.registered_at
FROM validators v LEFT JOIN keys k ON k.id = v.key_id;
DROP TABLE validators;
ALTER TABLE owned_validators RENAME TO validators;

-- The trace id of an entry is part of its details, which are hashed. The column is
-- generated from them for searches.
ALTER TABLE audit ADD COLUMN trace_id TEXT
    GENERATED ALWAYS AS (CASE WHEN json_valid(details) THEN json_extract(details, '$.trace_id') END) VIRTUAL;
CREATE INDEX audit_trace ON audit (tenant, trace_id, sequence) WHERE trace_id IS NOT NULL;
CREATE INDEX audit_decision ON audit (tenant, decision_id, sequence) WHERE decision_id <> '';
CREATE INDEX audit_verdict ON audit (tenant, decision, sequence) WHERE decision <> '';
CREATE INDEX audit_kind ON audit (tenant, kind, sequence);

-- The time at which a decision or an outcome was stored, and the sequence of its audit
-- entry (0 if not known), so that the deletion of the entry is detected.
ALTER TABLE decisions ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE decisions ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
UPDATE decisions SET (at, sequence) = (
    SELECT coalesce(min(a.at), unixepoch() * 1000000000), coalesce(min(a.sequence), 0) FROM audit a
    WHERE a.tenant = decisions.tenant AND a.decision_id = decisions.decision_id AND a.decision_id <> '' AND a.kind = 'decision');
CREATE INDEX decisions_at ON decisions (at);
CREATE INDEX decisions_sequence ON decisions (tenant, sequence);

ALTER TABLE outcomes ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outcomes ADD COLUMN sequence INTEGER NOT NULL DEFAULT 0;
UPDATE outcomes SET (at, sequence) = (
    SELECT coalesce(max(a.at), unixepoch() * 1000000000), coalesce(max(a.sequence), 0) FROM audit a
    WHERE a.tenant = outcomes.tenant AND a.decision_id = outcomes.decision_id AND a.decision_id <> '' AND a.kind = 'outcome'
        AND json_extract(a.details, '$.early') IS NULL);
CREATE INDEX outcomes_at ON outcomes (at);
CREATE INDEX outcomes_sequence ON outcomes (tenant, sequence);

ALTER TABLE early_outcomes ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
UPDATE early_outcomes SET at = unixepoch() * 1000000000;
CREATE INDEX early_outcomes_at ON early_outcomes (at);

-- The archives of the audit log. Each one is the beginning of the chain, up to and
-- including one entry, that was written to a file and signed. Only archived entries
-- may be deleted.
CREATE TABLE audit_archives (
    tenant      TEXT    NOT NULL,
    sequence    INTEGER NOT NULL CHECK (sequence >= 1), -- the last entry of the archive
    hash        TEXT    NOT NULL CHECK (hash <> ''),    -- of that entry
    archived_at INTEGER NOT NULL,
    public_key  BLOB    NOT NULL CHECK (length(public_key) = 32),
    signature   BLOB    NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (tenant, sequence)
) STRICT, WITHOUT ROWID;

DROP TRIGGER audit_no_delete;
-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
WHEN NOT EXISTS (SELECT 1 FROM audit_archives s WHERE s.tenant = OLD.tenant AND s.sequence >= OLD.sequence)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
-- REPLACE deletes a row without calling the trigger above.
-- +goose StatementBegin
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit
WHEN NEW.sequence <= (SELECT max(sequence) FROM audit a WHERE a.tenant = NEW.tenant)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_archives_no_update BEFORE UPDATE ON audit_archives
BEGIN
    SELECT RAISE(ABORT, 'the archives of the audit log are append-only');
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_archives_no_delete BEFORE DELETE ON audit_archives
BEGIN
    SELECT RAISE(ABORT, 'the archives of the audit log are append-only');
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER audit_no_replace;
DROP TRIGGER audit_no_delete;
-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd
DROP TABLE audit_archives;
DROP INDEX early_outcomes_at;
ALTER TABLE early_outcomes DROP COLUMN at;
DROP INDEX outcomes_sequence;
DROP INDEX outcomes_at;
ALTER TABLE outcomes DROP COLUMN sequence;
ALTER TABLE outcomes DROP COLUMN at;
DROP INDEX decisions_sequence;
DROP INDEX decisions_at;
ALTER TABLE decisions DROP COLUMN sequence;
ALTER TABLE decisions DROP COLUMN at;
DROP INDEX audit_kind;
DROP INDEX audit_verdict;
DROP INDEX audit_decision;
DROP INDEX audit_trace;
ALTER TABLE audit DROP COLUMN trace_id;
CREATE TABLE shared_validators (
    tenant        TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1),
    config        TEXT    NOT NULL,
    registered_by TEXT    NOT NULL,
    key_id        TEXT    NOT NULL,
    registered_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO shared_validators (tenant, id, version, config, registered_by, key_id, registered_at)
SELECT tenant, id, version, config, registered_by, key_id, registered_at FROM validators
ORDER BY CASE scope WHEN 'tenant' THEN 1 WHEN 'former' THEN 2 ELSE 3 END, owner;
DROP TABLE validators;
ALTER TABLE shared_validators RENAME TO validators;
