package controlplane

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/reported"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	pageAudit    = 500
	maxPageAudit = 5000
)

func (s *Server) auditRoutes() []web.Route {
	filters := []string{"principal", "action", "decision_id", "decision", "kind", "trace_id", "start_time", "end_time", "limit", "cursor"}
	return []web.Route{
		{Pattern: "GET /api/v1/audit", Role: web.Operator, Query: filters, Handler: s.listAudit},
		{Pattern: "GET /api/v1/audit/verify", Role: web.Operator, Query: []string{"expect_entries", "expect_head"}, Handler: s.verifyAudit},
		{Pattern: "GET /api/v1/audit/export", Role: web.Operator, Handler: s.exportAudit},
		{Pattern: "POST /api/v1/audit/records/batch", Role: web.Service, Body: web.BatchBody, Replay: web.ReplayDurable, Handler: s.recordDecisions},
		{Pattern: "POST /api/v1/audit/gates/batch", Role: web.Service, Body: web.BatchBody, Replay: web.ReplayDurable, Handler: s.recordGates},
		{Pattern: "POST /api/v1/audit/outcomes/batch", Role: web.Service, Body: web.BatchBody, Replay: web.ReplayDurable, Handler: s.recordOutcomes},
	}
}

func (s *Server) listAudit(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	limit, cursor, err := web.Paging(r, pageAudit, maxPageAudit)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	filter := storage.AuditFilter{
		Principal: query.Get("principal"), Action: query.Get("action"), Decision: query.Get("decision"), Kind: query.Get("kind"),
		TraceID: query.Get("trace_id"), Limit: limit,
	}
	if err := filter.DecisionID.UnmarshalText([]byte(query.Get("decision_id"))); err != nil {
		return web.BadQuery("decision_id", "must be "+decisionIDForm)
	}
	if filter.After, err = web.SequenceCursor(cursor); err != nil {
		return err
	}
	if filter.From, err = web.QueryTime(r, "start_time"); err != nil {
		return err
	}
	if filter.To, err = web.QueryTime(r, "end_time"); err != nil {
		return err
	}
	entries, more, err := s.auditPage(r, c, filter)
	if err != nil {
		return err
	}
	next := ""
	if more {
		next = strconv.FormatInt(entries[len(entries)-1].Sequence, 10)
	}
	return web.WriteList(w, r, entries, next)
}

func (s *Server) auditPage(r *http.Request, c web.Caller, filter storage.AuditFilter) (entries []aureus.AuditRecord, more bool, err error) {
	err = s.db.ViewLong(r.Context(), c.Tenant, func(t storage.Tx) error {
		entries, more, err = t.Audit().Page(c.Tenant, filter)
		return err
	})
	return entries, more, err
}

func (s *Server) verifyAudit(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	expected, err := expectedHead(r)
	if err != nil {
		return err
	}
	verification, err := storage.VerifyAudit(r.Context(), s.db, c.Tenant, expected...)
	if errors.Is(err, storage.ErrArchived) {
		return web.BadQuery("expect_entries", "names an entry that is archived and no longer in the log: hold the archive's file against it, and give a head from after the archive")
	}
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, verification)
	return nil
}

// expectedHead is the head that the query expects the chain to have, if it does.
func expectedHead(r *http.Request) ([]storage.Head, error) {
	query := r.URL.Query()
	entries, head := query.Get("expect_entries"), query.Get("expect_head")
	if entries == "" && head == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(entries, 10, 64)
	if err != nil || n < 1 {
		return nil, web.BadQuery("expect_entries", "must be the number of entries of an earlier verification, beside its head")
	}
	if len(head) != 64 {
		return nil, web.BadQuery("expect_head", "must be the head of an earlier verification: 64 hex digits")
	}
	return []storage.Head{{Sequence: n, Hash: head}}, nil
}

// exportAudit writes the whole log of the tenant as JSON lines, one entry a
// line, as it is at the beginning of the export. A log that cannot be read to
// its end breaks the connection off, so that half of it is not taken for all.
func (s *Server) exportAudit(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	filter := storage.AuditFilter{Limit: pageAudit}
	entries, _, err := s.auditPage(r, c, filter)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Content-Disposition", `attachment; filename="aureus-audit-`+c.Tenant+`.jsonl"`)
	for len(entries) > 0 {
		for _, entry := range entries {
			line, err := strictjson.MarshalText(entry)
			if err != nil {
				return s.breakOff(r, err)
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return s.breakOff(r, err)
			}
		}
		filter.After = entries[len(entries)-1].Sequence
		if entries, _, err = s.auditPage(r, c, filter); err != nil {
			return s.breakOff(r, err)
		}
	}
	return nil
}

// breakOff ends an answer that has begun and cannot be finished.
func (s *Server) breakOff(r *http.Request, err error) error {
	web.Logger(r).WarnContext(r.Context(), "an export broke off", "error", err)
	panic(http.ErrAbortHandler)
}

// recordDecisions writes down decisions that were made elsewhere. One that is
// there already is accepted and changes nothing; another one under its id is
// refused.
func (s *Server) recordDecisions(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	return s.recordBatch(w, r, c, func(item []byte) (recording, error) {
		var record aureus.DecisionRecord
		if err := decodeItem(item, &record); err != nil {
			return nil, err
		}
		if err := s.validRecord(c, &record); err != nil {
			return nil, err
		}
		decision, err := storage.DecisionOf(record, c.Subject)
		if err != nil {
			return nil, err
		}
		return func(t storage.Tx, now time.Time) error { return s.addReported(t, c, now, record, decision) }, nil
	})
}

// addReported writes down a decision that somebody reports. That it was reported,
// and rests on claims, is the server's to say, whatever the record says; and what
// it says of an approval must be true.
func (s *Server) addReported(t storage.Tx, c web.Caller, now time.Time, record aureus.DecisionRecord, decision storage.Decision) error {
	known, err := t.Decisions().Knows(c.Tenant, decision)
	switch {
	case errors.Is(err, storage.ErrConflict):
		return refusal(wire.CodeConflict + ": another decision, or another key's, has this id; what was recorded first stands")
	case known || err != nil:
		return err
	}
	expected, err := t.Decisions().HasEarlyOutcome(c.Tenant, record.DecisionID, c.Subject)
	if err != nil {
		return err
	}
	why := reported.Consistent(record)
	if !expected { // else its outcome was there in time
		why = cmp.Or(reported.Recent(record.DecisionID, now), why)
	}
	if why != "" {
		return refusal(why)
	}
	if record.ApprovalID != "" {
		if err := approvalOf(t, c, now, record); err != nil {
			return err
		}
	}
	var effect aureus.Effect
	_ = effect.UnmarshalText([]byte(record.Effect)) // validRecord has checked it
	record.Claimed = true
	entry := storage.DecisionEntry(record, c.Actor())
	entry.FromState, entry.ToState = vocab.StateEvaluating, effect.State()
	entry.Details["source"] = storage.SourceReported
	if _, err := t.Decisions().Add(c.Tenant, now, decision, entry); err != nil {
		return err
	}
	return t.Decisions().SettleOutcomes(c.Tenant, now, decision)
}

// approvalOf checks what a reported decision says of an approval: that its
// subject has asked for it, for what the record tells of, and that an allow has
// used it.
func approvalOf(t storage.Tx, c web.Caller, now time.Time, record aureus.DecisionRecord) error {
	found, err := t.Approvals().Summary(c.Tenant, now, record.ApprovalID)
	if err == nil && found.RequestedBy != c.Subject || errors.Is(err, aureus.ReasonApprovalUnknown.Err()) {
		return refusal("/approval_id: this key's subject has asked for no such approval")
	}
	if err != nil {
		return err
	}
	spent, err := t.Approvals().SpentBy(c.Tenant, record.ApprovalID, record.DecisionID)
	if err != nil {
		return err
	}
	if why := reported.Fits(record, found, spent); why != "" {
		return refusal(why)
	}
	return nil
}

func (s *Server) validRecord(c web.Caller, record *aureus.DecisionRecord) error {
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
	return validNames(nametext.Identifier, map[string]string{
		"/principal": record.Principal, "/on_behalf_of": record.OnBehalfOf, "/action": record.Action, "/tool_name": record.ToolName,
		"/trace_id": record.TraceID, "/reason_code": string(record.ReasonCode), "/rule": record.Rule, "/policy_version": record.PolicyVersion, "/approval_id": record.ApprovalID,
	})
}

// recordOutcomes writes down what became of decisions, once each. Whose key made
// or reported the decision says so, or an operator. An outcome may come before
// its decision; whether it stands is settled when that is there.
func (s *Server) recordOutcomes(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	return s.recordBatch(w, r, c, func(item []byte) (recording, error) {
		var outcome aureus.Outcome
		if err := decodeItem(item, &outcome); err != nil {
			return nil, err
		}
		if err := validOutcome(&outcome); err != nil {
			return nil, err
		}
		report := storage.Outcome{
			DecisionID: outcome.DecisionID, Status: outcome.Status, By: c.Actor(), Trusted: c.Role.AtLeast(web.Operator),
			Details: outcomeDetails(&outcome),
		}
		notDone := approval.NotDone(outcome)
		return func(t storage.Tx, now time.Time) error {
			if err := addOutcome(t, c, now, report); err != nil {
				return err
			}
			return t.Approvals().Settle(c.Tenant, now, c.Actor(), outcome.DecisionID, notDone)
		}, nil
	})
}

func addOutcome(t storage.Tx, c web.Caller, now time.Time, report storage.Outcome) error {
	decision, err := t.Decisions().Get(c.Tenant, report.DecisionID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		if why := reported.Recent(report.DecisionID, now); why != "" { // its decision will not be taken either
			return refusal(why)
		}
		err = t.Decisions().AddEarlyOutcome(c.Tenant, now, report)
	case err != nil:
	case decision.Subject != c.Subject && !report.Trusted:
		err = refusal("the decision is another key's")
	default:
		err = t.Decisions().AddOutcome(c.Tenant, now, decision, report)
	}
	if errors.Is(err, storage.ErrConflict) {
		return refusal(wire.CodeConflict + ": another outcome is recorded for this decision; what was recorded first stands")
	}
	return err
}

func outcomeDetails(outcome *aureus.Outcome) map[string]any {
	details := map[string]any{"duration_ms": outcome.DurationMS, "source": storage.SourceReported}
	if outcome.ErrorClass != "" {
		details["error_class"] = outcome.ErrorClass
	}
	if outcome.NotDone {
		details["not_done"] = true
	}
	if outcome.GateResult != nil {
		details["gate"] = storage.GateDetails(*outcome.GateResult)
	}
	return details
}

func validOutcome(outcome *aureus.Outcome) error {
	if outcome.DecisionID.IsZero() {
		return refusal("/decision_id: is required")
	}
	if outcome.Status == "" {
		return refusal("/status: is required")
	}
	if outcome.NotDone && !approval.NotDone(*outcome) {
		return refusal("/not_done: only what failed, was blocked or was refused can be not done")
	}
	names := map[string]string{"/status": outcome.Status, "/error_class": outcome.ErrorClass}
	if gate := outcome.GateResult; gate != nil {
		names["/gate_result/gate_name"], names["/gate_result/crv_status"] = gate.GateName, gate.CRVStatus
	}
	return validNames(nametext.Label, names)
}

// maxWord bounds, in bytes, names that are kept and indexed.
const maxWord = 1024

func validNames(problem func(string) string, names map[string]string) error {
	for _, pointer := range slices.Sorted(maps.Keys(names)) {
		if why := problem(names[pointer]); why != "" {
			return refusal(pointer + ": " + why)
		}
	}
	return nil
}
