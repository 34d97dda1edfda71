package storage

import "github.com/farmountain/aureus-go/controlplane/internal/fair"

// NewTx puts the rules of this package above the rows of a backend's transaction.
// options are those that the store was opened with; added, if it is not nil, is
// called with each tenant to whose audit log the transaction adds an entry.
func NewTx(rows Rows, options *Options, added func(tenant string)) Tx {
	t := &tx{rows: rows}
	t.audit = auditRules{AuditRows: rows.Audit(), added: added}
	t.decisions = decisionRules{DecisionRows: rows.Decisions(), audit: &t.audit}
	t.keys = keyRules{KeyRows: rows.Keys(), ownKey: options.OwnKey, approvals: &t.approvals}
	t.approvals = approvalRules{rows: rows.Approvals(), keys: &t.keys, audit: &t.audit, decisions: &t.decisions}
	return t
}

type tx struct {
	rows      Rows
	keys      keyRules
	approvals approvalRules
	audit     auditRules
	decisions decisionRules
}

func (t *tx) Keys() Keys             { return &t.keys }
func (t *tx) Approvals() Approvals   { return &t.approvals }
func (t *tx) Audit() Audit           { return &t.audit }
func (t *tx) Decisions() Decisions   { return &t.decisions }
func (t *tx) Validators() Validators { return validatorRules{t.rows.Validators()} }
func (t *tx) Runs() Runs             { return t.rows.Runs() }
func (t *tx) Replies() Replies {
	return replyRules{t.rows.Replies(), fair.Bounds{Rows: MaxReplies, Cost: MaxReplyBytes}}
}

// RowsOf is what a transaction of this package stands on, for the tests of a
// backend.
func RowsOf(t Tx) Rows {
	own, _ := t.(*tx) // anything else panics, which fails the test
	return own.rows
}
