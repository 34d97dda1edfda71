package console

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/internal/vocab"
)

const (
	decisionsPage = 50  // decisions on one page
	maxStory      = 200 // entries of the audit log on the page of a decision
)

// story is what the page of a decision shows besides the decision, and, without an id,
// the latest decisions.
type story struct {
	Latest []aureus.AuditRecord
	Pager  pager

	Approval    approvalData // with the arguments as the approver saw them; without an id if there is none
	Silent      []ruleLink   // the rules for the action that gave no reason
	MoreSilent  int
	Inputs      []fact // what the bundle read
	MoreInputs  int
	Entries     []aureus.AuditRecord // of the decision, in the order of the log
	MoreEntries bool
}

// addLatest adds a page of the latest decisions.
func (s *Service) addLatest(r *http.Request, c web.Caller, data *whyData) error {
	before, err := numberIn(r, "before")
	if err != nil {
		return err
	}
	list, more, err := s.Audit.Entries(r.Context(), c.Tenant, storage.AuditFilter{Kind: vocab.AuditDecision, Newest: true, Before: before, Limit: decisionsPage})
	if err != nil {
		return err
	}
	data.Latest, data.Pager = list, pager{BeforeName: "From the newest", NextName: "Older decisions"}
	if before > 0 {
		data.Pager.Before = Root + "why"
	}
	if more {
		data.Pager.After = "?before=" + strconv.FormatInt(list[len(list)-1].Sequence, 10)
	}
	return nil
}

// addStory adds the approval of the decision, what the bundle read, and the entries of the
// audit log about the decision.
func (s *Service) addStory(r *http.Request, c web.Caller, data *whyData) error {
	if ref := data.Details.Approval; ref != nil {
		found, err := s.Approvals.Read(r, c, ref.ID)
		e, isResponse := errors.AsType[*web.Error](err)
		switch {
		case isResponse && e.Status() == http.StatusNotFound: // it was deleted long after its end
		case err != nil:
			return err
		default:
			data.Approval.Approval, data.Approval.Ends = found, endingOf(found.ExpiresAt, s.Now())
			if err := s.addFacts(r, &data.Approval); err != nil {
				return err
			}
		}
	}
	inputs := data.Details.Inputs
	data.MoreInputs = max(0, len(inputs)-maxReasons)
	for _, in := range inputs[:len(inputs)-data.MoreInputs] {
		f := fact{Name: in.Name, Note: in.Status}
		if in.Status == vocab.InputRecorded {
			f.Value, f.Note = valueText(in.Value), ""
		}
		data.Inputs = append(data.Inputs, f)
	}
	list, more, err := s.Audit.Entries(r.Context(), c.Tenant, storage.AuditFilter{DecisionID: data.Details.DecisionID, Limit: maxStory})
	data.Entries, data.MoreEntries = list, more
	return err
}

// addSilent adds the rules for the action that gave no reason: their conditions did not
// hold, or an earlier step decided.
func (data *whyData) addSilent(b *policy.Bundle, a policy.ActionInfo) {
	var silent []string
	for _, id := range slices.Concat(a.Rules, a.Budgets) {
		if !slices.ContainsFunc(data.Matched, func(m matchRow) bool { return m.Rule == id }) {
			silent = append(silent, id)
		}
	}
	silent, data.MoreSilent = firstOf(silent)
	for _, id := range silent {
		link := ruleLink{ID: id, Line: b.Line(id)}
		if slices.Contains(a.ShadowRules, id) {
			link.Note = "shadow"
		}
		data.Silent = append(data.Silent, link)
	}
}
