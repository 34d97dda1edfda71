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
	pageSize    = 500
	maxPageSize = 5000
)

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
		return web.BadQuery("decision_id", "must be the id of a decision: dec_ and 26 characters of base32")
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
	entries, more, err := s.page(r, c, filter)
	if err != nil {
		return err
	}
	next := ""
	if more {
		next = strconv.FormatInt(entries[len(entries)-1].Sequence, 10)
	}
	return web.WriteList(w, r, entries, next)
}

func (s *Service) page(r *http.Request, c web.Caller, filter storage.AuditFilter) (entries []aureus.AuditRecord, more bool, err error) {
	err = s.Store.ViewLong(r.Context(), c.Tenant, func(t storage.Tx) error {
		entries, more, err = t.Audit().Page(c.Tenant, filter)
		return err
	})
	return entries, more, err
}

func (s *Service) verify(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	expected, err := expectedHead(r)
	if err != nil {
		return err
	}
	verification, err := storage.VerifyAudit(r.Context(), s.Store, c.Tenant, expected...)
	if errors.Is(err, storage.ErrArchived) {
		return web.BadQuery("expect_entries", "names an entry that is archived and no longer in the log: hold the archive's file against it, and give a head from after the archive")
	}
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, verification)
	return nil
}

// expectedHead is the head of an earlier verification, if the query has one.
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

// export writes the whole log of the tenant, one entry a line. Where the log cannot
// be read to its end, the connection is closed without the end of the response, so
// that the client does not take a part for the whole.
func (s *Service) export(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	filter := storage.AuditFilter{Limit: pageSize}
	entries, _, err := s.page(r, c, filter)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Content-Disposition", `attachment; filename="aureus-audit-`+c.Tenant+`.jsonl"`)
	for len(entries) > 0 {
		for _, entry := range entries {
			line, err := strictjson.MarshalText(entry)
			if err != nil {
				return breakOff(r, err)
			}
			if _, err := w.Write(append(line, '\n')); err != nil {
				return breakOff(r, err)
			}
		}
		filter.After = entries[len(entries)-1].Sequence
		if entries, _, err = s.page(r, c, filter); err != nil {
			return breakOff(r, err)
		}
	}
	return nil
}

// breakOff closes the connection of a response that has begun and cannot be
// finished. It does not return.
func breakOff(r *http.Request, err error) error {
	web.Logger(r).WarnContext(r.Context(), "an export broke off", "error", err)
	panic(http.ErrAbortHandler)
}
