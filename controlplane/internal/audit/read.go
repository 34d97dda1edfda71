package audit

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const (
	pageSize    = 500 // if the query has no limit
	maxPageSize = 5000
)

// list answers GET audit with the entries that match the query, in order.
func (s *Service) list(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	limit, cursor, err := web.Paging(r, pageSize, maxPageSize)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	filter := storage.AuditFilter{
		Principal: query.Get("principal"), Action: query.Get("action"), Decision: query.Get("decision"), Kind: query.Get("kind"),
		TraceID: query.Get("trace_id"), Limit: limit,
	}
	if err := filter.DecisionID.UnmarshalText([]byte(query.Get("decision_id"))); err != nil {
		return web.BadQuery("decision_id", "must be the id of a decision: dec_ and 26 base32 characters")
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
	entries, more, err := s.page(r, c, filter, false)
	if err != nil {
		return err
	}
	next := ""
	if more {
		next = strconv.FormatInt(entries[len(entries)-1].Sequence, 10)
	}
	return web.WriteList(w, r, entries, next)
}

// page reads one page of entries, with the inputs of decisions if withInputs is true. more
// is true if further ones match.
func (s *Service) page(r *http.Request, c web.Caller, filter storage.AuditFilter, withInputs bool) (entries []aureus.AuditRecord, more bool, err error) {
	err = s.Store.ViewLong(r.Context(), c.Tenant, func(t storage.Tx) error {
		entries, more, err = t.Audit().Page(c.Tenant, filter)
		if err == nil && withInputs {
			err = t.Audit().WithInputs(c.Tenant, entries)
		}
		return err
	})
	return entries, more, err
}

// verify answers GET audit/verify: it checks the hash chain of the tenant's log.
func (s *Service) verify(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	expected, err := expectedHead(r)
	if err != nil {
		return err
	}
	verification, err := storage.VerifyAudit(r.Context(), s.Store, c.Tenant, expected...)
	if errors.Is(err, storage.ErrArchived) {
		return web.BadQuery("expect_entries", "names an entry that has been archived: compare it with the archive file, and send the head of a later verification")
	}
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, verification)
	return nil
}

// expectedHead parses expect_entries and expect_head: the head of an earlier
// verification, which the log must still contain. It is nil if both are missing.
func expectedHead(r *http.Request) ([]storage.Head, error) {
	query := r.URL.Query()
	entries, head := query.Get("expect_entries"), query.Get("expect_head")
	if entries == "" && head == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(entries, 10, 64)
	if err != nil || n < 1 {
		return nil, web.BadQuery("expect_entries", "must be the number of entries of an earlier verification, together with expect_head")
	}
	if len(head) != 64 {
		return nil, web.BadQuery("expect_head", "must be the head of an earlier verification: 64 hex digits")
	}
	return []storage.Head{{Sequence: n, Hash: head}}, nil
}

// export answers GET audit/export with the whole log of the tenant, one JSON entry per
// line, which has the inputs of decisions only with inputs=true. If reading fails after the first byte was sent, the connection is closed, so
// that the client does not take a part for the whole.
func (s *Service) export(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	withInputs, err := wantsInputs(r)
	if err != nil {
		return err
	}
	filter := storage.AuditFilter{Limit: pageSize}
	entries, _, err := s.page(r, c, filter, withInputs)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Content-Disposition", `attachment; filename="aureus-audit-`+c.Tenant+`.jsonl"`)
	for len(entries) > 0 {
		for _, entry := range entries {
			line, err := strictjson.MarshalText(entry)
			if err != nil {
				return abortResponse(r, err)
			}
			if _, err := w.Write(append(line, '\n')); err != nil { //nolint:gosec // JSON lines, served as an attachment
				return abortResponse(r, err)
			}
		}
		filter.After = entries[len(entries)-1].Sequence
		if entries, _, err = s.page(r, c, filter, withInputs); err != nil {
			return abortResponse(r, err)
		}
	}
	return nil
}

// abortResponse logs err and closes the connection of a response that cannot be
// completed. It panics with http.ErrAbortHandler and never returns.
func abortResponse(r *http.Request, err error) error {
	web.Logger(r).WarnContext(r.Context(), "an export of the audit log ended early", "error", err)
	panic(http.ErrAbortHandler)
}

// wantsInputs parses the parameter inputs of an export.
func wantsInputs(r *http.Request) (bool, error) {
	switch r.URL.Query().Get("inputs") {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, web.BadQuery("inputs", "must be true or false")
}
