package console

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Audit reads and checks the audit log.
type Audit interface {
	// Entries returns entries of the tenant's log. more reports whether others follow.
	Entries(ctx context.Context, tenant string, f storage.AuditFilter) (entries []aureus.AuditRecord, more bool, err error)
	// Verify checks the tenant's log, from its first entry that is not archived.
	Verify(ctx context.Context, tenant string) (aureus.AuditVerification, error)
	// Prove proves that the entry with that sequence is in the log, or returns an error
	// response.
	Prove(ctx context.Context, tenant string, sequence int64) (aureus.AuditProof, error)
}

const (
	auditPage      = 100 // entries on one page
	maxDetailsText = 300 // bytes of the details of an entry in the list
)

func (s *Service) auditRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET " + Root + "audit", Query: parameters("kind", "principal", "action", "decision_id", "trace_id", "from", "to", "before"), Handler: s.audit},
		{Pattern: "GET " + Root + "audit/verify", Handler: s.verifyAudit},
		{Pattern: "GET " + Root + "audit/{sequence}", Handler: s.auditEntry},
	}
}

// auditData is the data of the page audit.
type auditData struct {
	Rows  []auditRow
	Pager pager

	Kind, Principal, Action, DecisionID, TraceID, From, To string // what the list is filtered by, as it was entered
	Filtered                                               bool
}

// auditRow is an entry of the audit log.
type auditRow struct {
	aureus.AuditRecord

	Text string // the details as JSON
}

func auditRowOf(e aureus.AuditRecord) (auditRow, error) {
	row := auditRow{AuditRecord: e}
	if len(e.Details) == 0 {
		return row, nil
	}
	text, err := strictjson.MarshalText(e.Details)
	row.Text = jsonvalue.Clip(string(text), maxDetailsText)
	return row, err
}

// audit answers GET audit with a page of the entries that the query selects, the newest
// first.
func (s *Service) audit(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	data := auditData{
		Kind: queryText(r, "kind"), Principal: queryText(r, "principal"), Action: queryText(r, "action"),
		DecisionID: queryText(r, "decision_id"), TraceID: queryText(r, "trace_id"), From: queryText(r, "from"), To: queryText(r, "to"),
	}
	filter := storage.AuditFilter{Kind: data.Kind, Principal: data.Principal, Action: data.Action, TraceID: data.TraceID, Newest: true, Limit: auditPage}
	if err := filter.DecisionID.UnmarshalText([]byte(data.DecisionID)); err != nil {
		return web.BadQuery("decision_id", "must be the id of a decision: dec_ and 26 base32 characters")
	}
	var err error
	if filter.From, err = web.QueryTime(r, "from"); err != nil {
		return err
	}
	if filter.To, err = web.QueryTime(r, "to"); err != nil {
		return err
	}
	if filter.Before, err = numberIn(r, "before"); err != nil {
		return err
	}
	if err := web.CapacityError(web.Account(r).Charge(auditPage * maxDetailsText)); err != nil {
		return err
	}
	entries, more, err := s.Audit.Entries(r.Context(), c.Tenant, filter)
	if err != nil {
		return err
	}
	for _, e := range entries {
		row, err := auditRowOf(e)
		if err != nil {
			return err
		}
		data.Rows = append(data.Rows, row)
	}
	data.Filtered = data.Kind+data.Principal+data.Action+data.DecisionID+data.TraceID+data.From+data.To != ""
	link := func(before int64) string {
		query := url.Values{}
		for name, values := range r.URL.Query() {
			if name != "before" && values[0] != "" {
				query[name] = values[:1]
			}
		}
		if before > 0 {
			query.Set("before", strconv.FormatInt(before, 10))
		}
		return "?" + query.Encode()
	}
	data.Pager = pager{BeforeName: "From the newest", NextName: "Older entries"}
	if filter.Before > 0 {
		data.Pager.Before = link(0)
	}
	if more {
		data.Pager.After = link(entries[len(entries)-1].Sequence)
	}
	return s.show(w, r, http.StatusOK, "audit", view{Title: "Audit log", Section: "audit", Caller: c, Data: data})
}

// verifyAudit answers GET audit/verify with the result of checking the log.
func (s *Service) verifyAudit(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	verification, err := s.Audit.Verify(r.Context(), c.Tenant)
	if err != nil {
		return err
	}
	return s.show(w, r, http.StatusOK, "verify", view{Title: "Check of the audit log", Section: "audit", Caller: c, Data: verification})
}

// entryData is the data of the page entry.
type entryData struct {
	Entry   auditRow
	Facts   factList // the details
	Proof   aureus.AuditProof
	Proven  bool
	Problem string // why there is no proof
}

// auditEntry answers GET audit/{sequence} with an entry and the proof that it is in the
// log.
func (s *Service) auditEntry(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	sequence, err := strconv.ParseInt(r.PathValue("sequence"), 10, 64)
	if err != nil || sequence < 1 {
		return web.NotFound("entry of the audit log")
	}
	if err := web.CapacityError(web.Account(r).Charge(4 * maxFactBytes)); err != nil {
		return err
	}
	entries, _, err := s.Audit.Entries(r.Context(), c.Tenant, storage.AuditFilter{After: sequence - 1, Limit: 1})
	if err != nil {
		return err
	}
	if len(entries) == 0 || entries[0].Sequence != sequence {
		return web.NotFound("entry of the audit log, except in an archive,")
	}
	data := entryData{Entry: auditRow{AuditRecord: entries[0]}}
	if len(entries[0].Details) > 0 {
		data.Facts.addAll("", entries[0].Details, nil)
	}
	data.Proof, err = s.Audit.Prove(r.Context(), c.Tenant, sequence)
	if data.Proven = err == nil; err != nil {
		e := web.ErrorOf(err)
		if e.Status() >= http.StatusInternalServerError {
			return err
		}
		data.Problem = e.Message()
	}
	return s.show(w, r, http.StatusOK, "entry", view{Title: "Entry " + strconv.FormatInt(sequence, 10), Section: "audit", Caller: c, Data: data})
}
