package crv

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	pageSize    = 100 // if the query has no limit
	maxPageSize = 1000
)

// RegisteredValidator is the JSON form of a registered validator in responses.
type RegisteredValidator = wire.RegisteredValidator[aureus.Timestamp]

// responseOf converts a stored validator.
func responseOf(v storage.Validator) (RegisteredValidator, error) {
	config, err := strictjson.Parse([]byte(v.Config))
	return RegisteredValidator{
		ValidatorID: v.ID, Version: v.Version, Scope: string(v.Scope), Subject: v.Owner, ETag: etag(v), Config: config, RegisteredBy: v.RegisteredBy,
		RegisteredAt: aureus.TimestampOf(v.RegisteredAt),
	}, err
}

// etag returns the ETag of a stored validator: its version and the start of the hash of
// its configuration.
func etag(v storage.Validator) string {
	return `"` + strconv.FormatInt(v.Version, 10) + "-" + hashText(v.Config)[:16] + `"`
}

// list answers GET validators. A service sees the registered validators that its own
// gates can use, an operator those of every subject of the tenant.
func (s *Service) list(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	limit, cursor, err := web.Paging(r, pageSize, maxPageSize)
	if err != nil {
		return err
	}
	allSubjects := c.Role.AtLeast(web.Operator)
	var stored []storage.Validator
	more := false
	if err := s.Store.ViewLong(r.Context(), c.Tenant, func(t storage.Tx) error {
		if allSubjects {
			stored, more, err = t.Validators().ListTenant(c.Tenant, parseCursor(cursor), limit)
		} else {
			stored, more, err = t.Validators().List(c.Tenant, c.Subject, cursor, limit)
		}
		return err
	}); err != nil {
		return err
	}
	next := ""
	if more {
		last := stored[len(stored)-1]
		next = last.ID
		if allSubjects {
			next = cursorOf(last)
		}
	}
	list := make([]RegisteredValidator, len(stored))
	for i, v := range stored {
		if list[i], err = responseOf(v); err != nil {
			return err
		}
	}
	return web.WriteList(w, r, list, next)
}

// cursorOf returns the cursor of the page after v in the list of the whole tenant. Its
// parts contain no control characters, so a line break separates them.
func cursorOf(v storage.Validator) string {
	return v.ID + "\n" + string(v.Scope) + "\n" + v.Owner
}

// parseCursor parses a cursor of cursorOf into the fields that identify a validator.
func parseCursor(cursor string) storage.Validator {
	id, rest, _ := strings.Cut(cursor, "\n")
	scope, owner, _ := strings.Cut(rest, "\n")
	return storage.Validator{ID: id, Scope: storage.Scope(scope), Owner: owner}
}

// get answers GET validators/{id} with the registered validator that the id stands for
// in the caller's gates.
func (s *Service) get(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var stored storage.Validator
	err := s.Store.View(r.Context(), func(t storage.Tx) (err error) {
		stored, err = t.Validators().InForce(c.Tenant, c.Subject, r.PathValue("id"))
		return err
	})
	if errors.Is(err, storage.ErrNotFound) {
		return web.NotFound("registered validator")
	}
	if err != nil {
		return err
	}
	response, err := responseOf(stored)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", response.ETag)
	w.Header().Set("Last-Modified", stored.RegisteredAt.UTC().Format(http.TimeFormat))
	web.WriteJSON(w, http.StatusOK, response)
	return nil
}
