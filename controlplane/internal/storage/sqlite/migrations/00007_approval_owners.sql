-- +goose Up

-- An approval belongs to the subject that asked for it first. It has two ends: decide_by
-- for deciding it, and use_by for using it after that. expires_at is the one that
-- applies in its present status. Values that a transaction checks are in columns. The
-- document that an approver sees is in a separate table, so that most transactions
-- neither read nor write it.
CREATE TABLE approval_documents (
    tenant      TEXT NOT NULL,
    approval_id TEXT NOT NULL PRIMARY KEY REFERENCES approvals (id),
    document    TEXT NOT NULL -- JSON, secrets redacted
) STRICT;

INSERT INTO approval_documents (tenant, approval_id, document) SELECT tenant, id, document FROM approvals;

ALTER TABLE approvals ADD COLUMN subject TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN requested_by_key TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN on_behalf_of TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN action_id TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN tool_name TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN risk_tier TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN reason_code TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN rule TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0; -- of the document
ALTER TABLE approvals ADD COLUMN decide_by INTEGER NOT NULL DEFAULT 0;
ALTER TABLE approvals ADD COLUMN use_by INTEGER NOT NULL DEFAULT 0; -- 0 until it is approved
ALTER TABLE approvals ADD COLUMN committed INTEGER NOT NULL DEFAULT 0 CHECK (committed IN (0, 1));
ALTER TABLE approvals ADD COLUMN released_by TEXT NOT NULL DEFAULT '';

UPDATE approvals SET
    requested_by_key = coalesce(document ->> '$.requested_by_key', ''),
    on_behalf_of     = coalesce(document ->> '$.on_behalf_of', ''),
    action_id        = coalesce(document ->> '$.action.id', ''),
    tool_name        = coalesce(document ->> '$.tool_name', ''),
    risk_tier        = coalesce(document ->> '$.risk_tier', ''),
    reason_code      = coalesce(document ->> '$.reason_code', ''),
    rule             = coalesce(document ->> '$.rule', ''),
    bytes            = length(CAST(document AS BLOB)),
    decide_by        = expires_at,
    committed        = status = 'consumed';

UPDATE approvals SET subject = coalesce((
    SELECT r.subject FROM approval_requesters r WHERE r.approval_id = approvals.id
    ORDER BY r.key_id = approvals.requested_by_key DESC, r.asked_at, r.key_id LIMIT 1), '');

-- Approvals that were approved by an older version keep their end.
UPDATE approvals SET use_by = expires_at WHERE status IN ('approved', 'consumed') OR (status = 'expired' AND EXISTS (
    SELECT 1 FROM approval_decisions d WHERE d.approval_id = approvals.id AND d.verdict = 'approve'));

DROP INDEX approvals_live;
DROP INDEX approvals_pending;
ALTER TABLE approvals DROP COLUMN document;

-- At most one live approval of a request for each subject and policy version.
CREATE UNIQUE INDEX approvals_live ON approvals (tenant, digest, subject, policy_version) WHERE live = 1;
CREATE INDEX approvals_pending ON approvals (tenant, subject, principal_id, expires_at, bytes) WHERE status = 'pending';
CREATE INDEX approvals_subject ON approvals (tenant, subject, seq);
CREATE INDEX approvals_consumed ON approvals (tenant, consumed_by) WHERE consumed_by <> '';
CREATE INDEX approval_decisions_key ON approval_decisions (key_id);

-- +goose Down
DROP INDEX approval_decisions_key;
DROP INDEX approvals_consumed;
DROP INDEX approvals_subject;
DROP INDEX approvals_pending;
DROP INDEX approvals_live;
ALTER TABLE approvals ADD COLUMN document TEXT NOT NULL DEFAULT '{}';
UPDATE approvals SET
    document = coalesce((SELECT d.document FROM approval_documents d WHERE d.approval_id = approvals.id), '{}'),
    live     = live = 1 AND seq = (SELECT min(o.seq) FROM approvals o
        WHERE o.tenant = approvals.tenant AND o.digest = approvals.digest AND o.live = 1);
ALTER TABLE approvals DROP COLUMN released_by;
ALTER TABLE approvals DROP COLUMN committed;
ALTER TABLE approvals DROP COLUMN use_by;
ALTER TABLE approvals DROP COLUMN decide_by;
ALTER TABLE approvals DROP COLUMN bytes;
ALTER TABLE approvals DROP COLUMN rule;
ALTER TABLE approvals DROP COLUMN reason_code;
ALTER TABLE approvals DROP COLUMN risk_tier;
ALTER TABLE approvals DROP COLUMN tool_name;
ALTER TABLE approvals DROP COLUMN action_id;
ALTER TABLE approvals DROP COLUMN on_behalf_of;
ALTER TABLE approvals DROP COLUMN requested_by_key;
ALTER TABLE approvals DROP COLUMN subject;
DROP TABLE approval_documents;
CREATE UNIQUE INDEX approvals_live ON approvals (tenant, digest) WHERE live = 1;
CREATE INDEX approvals_pending ON approvals (tenant, principal_id) WHERE status = 'pending';
