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
	pageSize    = 100
	maxPageSize = 1000
)

// RegisteredValidator is how a registration is listed.
type RegisteredValidator = wire.RegisteredValidator[aureus.Timestamp]

func responseOf(v storage.Validator) (RegisteredValidator, error) {
	config, err := strictjson.Parse([]byte(v.Config))
	return RegisteredValidator{
		ValidatorID: v.ID, Version: v.Version, Scope: string(v.Scope), Subject: v.Owner, ETag: etag(v), Config: config, RegisteredBy: v.RegisteredBy,
		RegisteredAt: aureus.TimestampOf(v.RegisteredAt),
	}, err
}

func etag(v storage.Validator) string {
	return `"` + strconv.FormatInt(v.Version, 10) + "-" + hashText(v.Config)[:16] + `"`
}

// list lists the validators that the caller's gates can use; for an operator, those
// that every subject of the tenant registered.
func (s *Service) list(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	limit, cursor, err := web.Paging(r, pageSize, maxPageSize)
	if err != nil {
		return err
	}
	everything := c.Role.AtLeast(web.Operator)
	var stored []storage.Validator
	more := false
	if err := s.Store.ViewLong(r.Context(), c.Tenant, func(t storage.Tx) error {
		if everything {
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
		if everything {
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

// cursorOf is the cursor behind a registration in the list of the whole tenant. None
// of its parts contains a control character.
func cursorOf(v storage.Validator) string {
	return v.ID + "\n" + string(v.Scope) + "\n" + v.Owner
}

func parseCursor(cursor string) storage.Validator {
	id, rest, _ := strings.Cut(cursor, "\n")
	scope, owner, _ := strings.Cut(rest, "\n")
	return storage.Validator{ID: id, Scope: storage.Scope(scope), Owner: owner}
}

// get answers with the registration that the caller's gates use under the id.
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
	answer, err := responseOf(stored)
	if err != nil {
		return err
	}
	w.Header().Set("ETag", answer.ETag)
	w.Header().Set("Last-Modified", stored.RegisteredAt.UTC().Format(http.TimeFormat))
	web.WriteJSON(w, http.StatusOK, answer)
	return nil
}
