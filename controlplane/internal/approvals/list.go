package approvals

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

const (
	pageSize    = 100 // if the query has no limit
	maxPageSize = 1000
)

// list answers GET approvals. A service sees the approvals that its own subject
// requested, an operator those of the tenant.
func (s *Service) list(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	limit, cursor, err := web.Paging(r, pageSize, maxPageSize)
	if err != nil {
		return err
	}
	filter := storage.ApprovalFilter{Status: aureus.ApprovalStatus(r.URL.Query().Get("status")), Limit: limit}
	if filter.Status != "" && !slices.Contains(filter.Status.Words(), string(filter.Status)) {
		return web.BadQuery("status", "must be one of "+strings.Join(filter.Status.Words(), ", "))
	}
	if filter.After, err = web.SequenceCursor(cursor); err != nil {
		return err
	}
	if !c.Role.AtLeast(web.Operator) {
		filter.Subject = &c.Subject
	}
	if filter.Now, err = s.expireForReading(r.Context(), c.Tenant); err != nil {
		return err
	}
	filter.Charge = chargeDocuments(r)
	var rows []storage.ApprovalRow
	more := false
	if err := s.Store.ViewLong(r.Context(), c.Tenant, func(t storage.Tx) error {
		rows, more, err = t.Approvals().List(c.Tenant, filter)
		return err
	}); err != nil {
		return web.CapacityError(err)
	}
	approvals := make([]aureus.Approval, len(rows))
	for i, row := range rows {
		approvals[i] = row.Approval
		approvals[i].URL = Path(row.ID)
	}
	next := ""
	if more {
		next = strconv.FormatInt(rows[len(rows)-1].Seq, 10)
	}
	return web.WriteList(w, r, approvals, next)
}

// Search returns approvals of the tenant for an operator who looks through them, without
// the values that are only in their documents. more reports whether others follow.
func (s *Service) Search(ctx context.Context, tenant string, search storage.ApprovalSearch) (rows []storage.ApprovalRow, more bool, err error) {
	if _, err := s.expireForReading(ctx, tenant); err != nil {
		return nil, false, err
	}
	search.Now = s.Now()
	err = s.Store.ViewLong(ctx, tenant, func(t storage.Tx) error {
		rows, more, err = t.Approvals().Search(tenant, search)
		return err
	})
	return rows, more, web.CapacityError(err)
}

// Read returns the whole approval for the caller, and charges the request for its memory.
// A refusal is an error response.
func (s *Service) Read(r *http.Request, c web.Caller, id string) (aureus.Approval, error) {
	if _, err := s.expireForReading(r.Context(), c.Tenant); err != nil {
		return aureus.Approval{}, err
	}
	found, err := s.Get(r.Context(), c, id, chargeDocuments(r))
	return found, responseError(web.CapacityError(err))
}

// get answers GET approvals/{id}.
func (s *Service) get(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	found, err := s.Read(r, c, r.PathValue("id"))
	if err != nil {
		return err
	}
	return write(w, found)
}

// chargeDocuments returns a function that charges the request for the memory of a
// stored document: for its decoded form and for its text in the response, which stays
// in memory until the client has read it.
func chargeDocuments(r *http.Request) func(document []byte) error {
	account := web.Account(r)
	return func(document []byte) error { return account.Charge(governor.Weigh(document) + int64(len(document))) }
}
