-- +goose Up

-- Messages that wait to be delivered to webhooks, and those that were given up (dead). A
-- message is stored in the transaction of the audit entry or checkpoint that it announces,
-- and deleted once it is delivered. mac is a code under the installation key over all other
-- columns but seq, so that a message written by SQL is not sent.
CREATE TABLE webhook_outbox (
    seq      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id       TEXT    NOT NULL UNIQUE,
    tenant   TEXT    NOT NULL,
    webhook  TEXT    NOT NULL, -- its name in the configuration
    kind     TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    due      INTEGER NOT NULL, -- when it is sent, or when it was given up
    give_up  INTEGER NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    dead     INTEGER NOT NULL CHECK (dead IN (0, 1)),
    error    TEXT    NOT NULL, -- of the last attempt
    mac      BLOB    NOT NULL
) STRICT;
CREATE INDEX webhook_outbox_due ON webhook_outbox (webhook, dead, due);
CREATE INDEX webhook_outbox_oldest ON webhook_outbox (webhook, dead, seq);

-- What became of the messages of each webhook since it was first configured. stored is how
-- many rows of webhook_outbox it has: triggers keep it in step.
CREATE TABLE webhook_counts (
    webhook   TEXT    NOT NULL PRIMARY KEY,
    stored    INTEGER NOT NULL,
    delivered INTEGER NOT NULL,
    dropped   INTEGER NOT NULL,
    dead      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER webhook_outbox_added AFTER INSERT ON webhook_outbox
BEGIN
    INSERT INTO webhook_counts (webhook, stored, delivered, dropped, dead) VALUES (NEW.webhook, 1, 0, 0, 0)
    ON CONFLICT (webhook) DO UPDATE SET stored = stored + 1;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER webhook_outbox_removed AFTER DELETE ON webhook_outbox
BEGIN
    UPDATE webhook_counts SET stored = stored - 1 WHERE webhook = OLD.webhook;
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE webhook_counts;
DROP TABLE webhook_outbox;
