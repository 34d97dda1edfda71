package audit

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/redact"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/inputs"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/reported"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// postRecords answers POST records/batch: it records decisions that were made outside
// the control plane. A decision that is already recorded is accepted again without a
// change; a different decision with the same id is refused.
func (s *Service) postRecords(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	return s.postBatch(w, r, c, func(item []byte) (storeItem, error) {
		var record aureus.DecisionRecord
		if err := decodeItem(item, &record); err != nil {
			return nil, err
		}
		if err := checkRecord(c, &record); err != nil {
			return nil, err
		}
		record.Inputs = redact.Inputs(record.Inputs, s.Inputs)
		decision, err := storage.DecisionOf(record, c.Subject)
		if err != nil {
			return nil, err
		}
		return func(t storage.Tx, now time.Time) error { return addRecord(t, c, now, record, decision) }, nil
	})
}

// addRecord stores a reported decision. It is always marked as reported, and as claimed
// unless it was made by a policy bundle that the tenant has or had: only then do its tier
// and permissions come from something that the server knows. If the record names an
// approval, checkApproval checks it.
func addRecord(t storage.Tx, c web.Caller, now time.Time, record aureus.DecisionRecord, decision storage.Decision) error {
	known, err := t.Decisions().Knows(c.Tenant, decision)
	switch {
	case errors.Is(err, storage.ErrConflict):
		return refusal(wire.CodeConflict + ": a different decision, or one of another subject, is already recorded with this id, and is kept")
	case known || err != nil:
		return err
	}
	expected, err := t.Decisions().HasEarlyOutcome(c.Tenant, record.DecisionID, c.Subject)
	if err != nil {
		return err
	}
	problem := reported.Consistent(record)
	if !expected { // otherwise its age was checked when the outcome arrived
		problem = cmp.Or(reported.Recent(record.DecisionID, now), problem)
	}
	if problem != "" {
		return refusal(problem)
	}
	if record.ApprovalID != "" {
		if err := checkApproval(t, c, now, record); err != nil {
			return err
		}
	}
	var effect aureus.Effect
	_ = effect.UnmarshalText([]byte(record.Effect)) // checkRecord has checked that it is valid
	known, err = hasBundle(t, c.Tenant, record.Bundle)
	if err != nil {
		return err
	}
	record.Claimed = record.Claimed || !known
	entry := storage.DecisionEntry(record, c.Actor())
	entry.FromState, entry.ToState = vocab.StateEvaluating, effect.State()
	entry.Details["source"] = storage.SourceReported
	if _, err := t.Decisions().Add(c.Tenant, now, decision, entry); err != nil {
		return err
	}
	return t.Decisions().SettleOutcomes(c.Tenant, now, decision)
}

// hasBundle reports whether a policy bundle of the tenant has or had the name and
// version.
func hasBundle(t storage.Tx, tenant, bundle string) (bool, error) {
	_, text, ok := strings.Cut(bundle, "/")
	version, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil || version < 1 || version == math.MaxInt64 {
		return false, nil //nolint:nilerr // it names no bundle
	}
	list, _, err := t.Policies().Bundles(tenant, version+1, 1)
	return len(list) == 1 && storage.BundleName(list[0].Name, list[0].Version) == bundle, err
}

// checkApproval refuses a decision whose approval does not fit: the subject must have
// requested it, it must be for the same action, and a decision with the effect allow
// must have consumed it.
func checkApproval(t storage.Tx, c web.Caller, now time.Time, record aureus.DecisionRecord) error {
	found, err := t.Approvals().Summary(c.Tenant, now, record.ApprovalID)
	if err == nil && found.RequestedBy != c.Subject || errors.Is(err, aureus.ReasonApprovalUnknown.Err()) {
		return refusal("/approval_id: the subject of this key has not requested an approval with this id")
	}
	if err != nil {
		return err
	}
	spent, err := t.Approvals().SpentBy(c.Tenant, record.ApprovalID, record.DecisionID)
	if err != nil {
		return err
	}
	if problem := reported.Fits(record, found, spent); problem != "" {
		return refusal(problem)
	}
	return nil
}

// checkRecord refuses a record that is incomplete or that the caller may not report.
func checkRecord(c web.Caller, record *aureus.DecisionRecord) error {
	if record.DecisionID.IsZero() {
		return refusal("/decision_id: is required")
	}
	if err := new(aureus.Effect).UnmarshalText([]byte(record.Effect)); err != nil {
		return refusal("/effect: " + err.Error())
	}
	if err := c.MaySpeakFor(record.Principal); err != nil {
		return refusal("/principal: this key may not speak for it")
	}
	if record.OnBehalfOf != "" && c.MaySpeakFor(record.OnBehalfOf) != nil {
		return refusal("/on_behalf_of: this key may not speak for it")
	}
	if err := checkInputs(record.Inputs); err != nil {
		return err
	}
	return checkNames(nametext.Identifier, map[string]string{
		"/principal": record.Principal, "/on_behalf_of": record.OnBehalfOf, "/action": record.Action, "/tool_name": record.ToolName,
		"/trace_id": record.TraceID, "/reason_code": string(record.ReasonCode), "/rule": record.Rule, "/policy_version": record.PolicyVersion, "/bundle": record.Bundle, "/approval_id": record.ApprovalID,
	})
}

// checkInputs refuses inputs whose names or statuses have another form than those of a
// decider.
func checkInputs(list []aureus.DecisionInput) error {
	if len(list) > inputs.MaxInputs {
		return refusal(fmt.Sprintf("/inputs: must not have more than %d items", inputs.MaxInputs))
	}
	for i := range list {
		if _, ok := inputs.Path(list[i].Name); !ok {
			return refusal(fmt.Sprintf("/inputs/%d/name: is not the name of an input such as arguments.amount", i))
		}
		switch list[i].Status {
		case vocab.InputRecorded, vocab.InputAbsent, vocab.InputRedacted, vocab.InputTooLarge:
		default:
			return refusal(fmt.Sprintf("/inputs/%d/status: must be recorded, absent, redacted or too_large", i))
		}
	}
	return nil
}
