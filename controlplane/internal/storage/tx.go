package storage

import "github.com/farmountain/aureus-go/controlplane/internal/fair"

// NewTx returns a transaction that applies the rules of this package to the rows of
// a backend. options are those that the store was opened with. added, if not nil, is
// called with the tenant each time the transaction adds an audit entry.
func NewTx(rows Rows, options *Options, added func(tenant string)) Tx {
	t := &tx{rows: rows}
	t.outbox = outboxRules{OutboxRows: rows.Outbox(), options: options}
	t.audit = auditRules{AuditRows: rows.Audit(), added: added, outbox: &t.outbox}
	t.decisions = decisionRules{DecisionRows: rows.Decisions(), audit: &t.audit}
	t.policies = policyRules{PolicyRows: rows.Policies(), audit: &t.audit}
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
	policies  policyRules
	outbox    outboxRules
}

func (t *tx) Keys() Keys                 { return &t.keys }
func (t *tx) Approvals() Approvals       { return &t.approvals }
func (t *tx) Audit() Audit               { return &t.audit }
func (t *tx) Decisions() Decisions       { return &t.decisions }
func (t *tx) Validators() Validators     { return validatorRules{t.rows.Validators()} }
func (t *tx) Policies() Policies         { return &t.policies }
func (t *tx) Installation() Installation { return t.rows.Installation() }
func (t *tx) Trees() Trees               { return t.rows.Trees() }
func (t *tx) Outbox() Outbox             { return &t.outbox }
func (t *tx) Runs() Runs                 { return t.rows.Runs() }
func (t *tx) Replies() Replies {
	return replyRules{t.rows.Replies(), fair.Bounds{Rows: MaxReplies, Cost: MaxReplyBytes}}
}

// RowsOf returns the rows of a transaction made by NewTx. It is for tests of a
// backend.
func RowsOf(t Tx) Rows {
	own, _ := t.(*tx) // anything else panics, which fails the test
	return own.rows
}
