-- +goose Up

-- Every row of every table has the tenant that it belongs to. Times are in Unix
-- nanoseconds.

CREATE TABLE keys (
    id         TEXT    NOT NULL PRIMARY KEY,
    tenant     TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    role       TEXT    NOT NULL CHECK (role IN ('service', 'operator', 'admin')),
    speaks_for TEXT    NOT NULL, -- a JSON array of principal ids; "*" stands for all
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE approvals (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT    NOT NULL UNIQUE,
    tenant           TEXT    NOT NULL,
    digest           BLOB    NOT NULL CHECK (length(digest) = 32),
    status           TEXT    NOT NULL CHECK (status IN ('pending', 'approved', 'rejected', 'expired', 'consumed')),
    live             INTEGER NOT NULL CHECK (live IN (0, 1)), -- whether asking again joins it
    principal_id     TEXT    NOT NULL,
    policy_version   TEXT    NOT NULL,
    document         TEXT    NOT NULL, -- what an approver is shown, secrets redacted
    requested_at     INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    quorum_needed    INTEGER NOT NULL CHECK (quorum_needed >= 1),
    consumed_by      TEXT    NOT NULL DEFAULT ''
) STRICT;

-- At most one live approval for each digest, even if several callers ask at once.
CREATE UNIQUE INDEX approvals_live ON approvals (tenant, digest) WHERE live = 1;
CREATE INDEX approvals_due ON approvals (tenant, expires_at) WHERE live = 1;
CREATE INDEX approvals_pending ON approvals (tenant, principal_id) WHERE status = 'pending';
CREATE INDEX approvals_list ON approvals (tenant, status, seq);

-- All requesters of each approval. None of them may decide it.
CREATE TABLE approval_requesters (
    tenant      TEXT    NOT NULL,
    approval_id TEXT    NOT NULL REFERENCES approvals (id),
    key_id      TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    asked_at    INTEGER NOT NULL,
    PRIMARY KEY (approval_id, key_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX approval_requesters_key ON approval_requesters (tenant, key_id);

CREATE TABLE approval_decisions (
    tenant      TEXT    NOT NULL,
    approval_id TEXT    NOT NULL REFERENCES approvals (id),
    decided_by  TEXT    NOT NULL, -- the subject
    key_id      TEXT    NOT NULL,
    decided_at  INTEGER NOT NULL,
    verdict     TEXT    NOT NULL CHECK (verdict IN ('approve', 'reject')),
    comment     TEXT    NOT NULL,
    PRIMARY KEY (approval_id, decided_by)
) STRICT, WITHOUT ROWID;

-- The decisions that are in the audit log, and the subjects that reported them.
CREATE TABLE decisions (
    tenant      TEXT NOT NULL,
    decision_id TEXT NOT NULL,
    principal   TEXT NOT NULL,
    action      TEXT NOT NULL,
    effect      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    PRIMARY KEY (tenant, decision_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE outcomes (
    tenant      TEXT NOT NULL,
    decision_id TEXT NOT NULL,
    status      TEXT NOT NULL,
    PRIMARY KEY (tenant, decision_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE validators (
    tenant        TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1),
    config        TEXT    NOT NULL, -- the JSON text as it was registered: the order of names counts
    registered_by TEXT    NOT NULL,
    key_id        TEXT    NOT NULL,
    registered_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

-- The audit log: one chain of hashes for each tenant. chain.go defines the hash.
CREATE TABLE audit (
    tenant        TEXT    NOT NULL,
    sequence      INTEGER NOT NULL CHECK (sequence >= 1),
    at            INTEGER NOT NULL,
    kind          TEXT    NOT NULL,
    decision_id   TEXT    NOT NULL,
    principal     TEXT    NOT NULL,
    on_behalf_of  TEXT    NOT NULL,
    action        TEXT    NOT NULL,
    decision      TEXT    NOT NULL,
    reason_code   TEXT    NOT NULL,
    from_state    TEXT    NOT NULL,
    to_state      TEXT    NOT NULL,
    action_digest TEXT    NOT NULL,
    approval_id   TEXT    NOT NULL,
    by            TEXT    NOT NULL,
    key_id        TEXT    NOT NULL,
    details       TEXT    NOT NULL, -- JSON with sorted names, or empty
    previous_hash TEXT    NOT NULL,
    hash          TEXT    NOT NULL,
    PRIMARY KEY (tenant, sequence)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_principal ON audit (tenant, principal, sequence);
CREATE INDEX audit_action ON audit (tenant, action, sequence);
CREATE INDEX audit_at ON audit (tenant, at, sequence);

-- The end of each chain, so that the deletion of its last entries is detected.
CREATE TABLE audit_heads (
    tenant   TEXT    NOT NULL PRIMARY KEY,
    sequence INTEGER NOT NULL,
    hash     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE audit_heads;
DROP TABLE audit;
DROP TABLE validators;
DROP TABLE outcomes;
DROP TABLE decisions;
DROP TABLE approval_decisions;
DROP TABLE approval_requesters;
DROP TABLE approvals;
DROP TABLE keys;
