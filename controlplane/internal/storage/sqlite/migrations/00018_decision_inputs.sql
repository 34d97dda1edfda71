-- +goose Up

-- What a policy bundle read to make a decision, if that is recorded: one row for the audit
-- entry of the decision. inputs is JSON. The detail inputs_hash of the entry is the hash
-- of the row with its salt. Rows are deleted when they are old, or with their entry;
-- without the salt, the hash does not help to guess them.
CREATE TABLE decision_inputs (
  tenant   TEXT    NOT NULL,
  sequence INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  salt     BLOB    NOT NULL,
  inputs   TEXT    NOT NULL,
  PRIMARY KEY (tenant, sequence)
) STRICT, WITHOUT ROWID;
CREATE INDEX decision_inputs_at ON decision_inputs (at);
-- +goose StatementBegin
CREATE TRIGGER decision_inputs_no_update BEFORE UPDATE ON decision_inputs
BEGIN
    SELECT RAISE(ABORT, 'the inputs of a decision cannot be changed');
END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE decision_inputs;
