package sqlite

import "github.com/farmountain/aureus-go/controlplane/internal/storage"

// Each kind of data has a type with its methods. All these types use the same
// transaction.
type (
	keys         struct{ *transaction }
	approvals    struct{ *transaction }
	audit        struct{ *transaction }
	decisions    struct{ *transaction }
	validators   struct{ *transaction }
	runs         struct{ *transaction }
	replies      struct{ *transaction }
	policies     struct{ *transaction }
	installation struct{ *transaction }
	trees        struct{ *transaction }
	outbox       struct{ *transaction }
)

// Keys implements [storage.Rows].
func (t *transaction) Keys() storage.KeyRows { return keys{t} }

// Approvals implements [storage.Rows].
func (t *transaction) Approvals() storage.ApprovalRows { return approvals{t} }

// Audit implements [storage.Rows].
func (t *transaction) Audit() storage.AuditRows { return audit{t} }

// Decisions implements [storage.Rows].
func (t *transaction) Decisions() storage.DecisionRows { return decisions{t} }

// Validators implements [storage.Rows].
func (t *transaction) Validators() storage.ValidatorRows { return validators{t} }

// Runs implements [storage.Rows].
func (t *transaction) Runs() storage.Runs { return runs{t} }

// Replies implements [storage.Rows].
func (t *transaction) Replies() storage.ReplyRows { return replies{t} }

// Policies implements [storage.Rows].
func (t *transaction) Policies() storage.PolicyRows { return policies{t} }

// Installation implements [storage.Rows].
func (t *transaction) Installation() storage.Installation { return installation{t} }

// Trees implements [storage.Rows].
func (t *transaction) Trees() storage.Trees { return trees{t} }

// Outbox implements [storage.Rows].
func (t *transaction) Outbox() storage.OutboxRows { return outbox{t} }
