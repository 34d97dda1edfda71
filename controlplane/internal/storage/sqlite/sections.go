package sqlite

import "github.com/farmountain/aureus-go/controlplane/internal/storage"

// Each kind of data has its methods on a type of its own. They share the
// transaction.
type (
	keys       struct{ *Tx }
	approvals  struct{ *Tx }
	audit      struct{ *Tx }
	decisions  struct{ *Tx }
	validators struct{ *Tx }
	runs       struct{ *Tx }
)

func (t *Tx) keys() keys           { return keys{t} }
func (t *Tx) approvals() approvals { return approvals{t} }
func (t *Tx) audit() audit         { return audit{t} }
func (t *Tx) decisions() decisions { return decisions{t} }

// Keys implements [storage.Tx].
func (t *Tx) Keys() storage.Keys { return keys{t} }

// Approvals implements [storage.Tx].
func (t *Tx) Approvals() storage.Approvals { return approvals{t} }

// Audit implements [storage.Tx].
func (t *Tx) Audit() storage.Audit { return audit{t} }

// Decisions implements [storage.Tx].
func (t *Tx) Decisions() storage.Decisions { return decisions{t} }

// Validators implements [storage.Tx].
func (t *Tx) Validators() storage.Validators { return validators{t} }

// Runs implements [storage.Tx].
func (t *Tx) Runs() storage.Runs { return runs{t} }
