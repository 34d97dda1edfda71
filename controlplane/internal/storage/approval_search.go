package storage

import (
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// ApprovalSearch selects approvals for a person who looks through them. A zero field does
// not filter, except Waiting.
type ApprovalSearch struct {
	// Waiting selects the approvals that are pending, the oldest first. Otherwise the
	// others are selected, the newest first.
	Waiting bool

	Status    aureus.ApprovalStatus
	Principal string // the principal, or the one on whose behalf it acts
	Action    string
	Subject   string // that asked for the approval

	Now   time.Time // an approval that has expired by then counts as expired, even if that is not stored yet
	After int64     // only approvals that follow the one with this Seq in the order of the result
	Limit int
}

// Search implements [Approvals].
func (t *approvalRules) Search(tenant string, f ApprovalSearch) (list []ApprovalRow, more bool, err error) {
	limit := f.Limit
	f.Limit++
	if list, err = t.rows.Search(tenant, f); err != nil {
		return nil, false, err
	}
	if more = len(list) > limit; more {
		list = list[:limit]
	}
	if err := t.addVerdicts(tenant, list); err != nil {
		return nil, false, err
	}
	for i := range list {
		list[i].Status = list[i].State().At(f.Now).Status
	}
	return list, more, nil
}
