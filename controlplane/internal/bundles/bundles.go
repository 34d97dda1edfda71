package bundles

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	historyPage    = 100 // versions on one page, if the query has no limit
	maxHistoryPage = 1000

	// bundleWeight is how many bytes of memory a put takes before it is compiled for each
	// byte of a text. What the compiled bundle takes is limited by its own size.
	bundleWeight = 32
)

// put answers PUT bundle: it stores a version of the bundle and puts it in force.
func (s *Service) put(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	signature, err := base64.StdEncoding.DecodeString(r.Header.Get(wire.SignatureHeader))
	if err != nil {
		return web.Problem(http.StatusBadRequest, wire.CodeValidation, "the header "+wire.SignatureHeader+" must be an Ed25519 signature in base64")
	}
	check, err := preconditionOf(r)
	if err != nil {
		return err
	}
	text, err := web.ReadBody(r)
	if err != nil {
		return err
	}
	if err := web.CapacityError(web.Account(r).Charge(bundleWeight * int64(len(text)))); err != nil {
		return err
	}
	compiled, err := s.compile(text, signature)
	if err != nil {
		return compileError(err)
	}
	bundle := storage.Bundle{
		Tenant: c.Tenant, Name: compiled.Name(), Version: compiled.Version(), Digest: sha256.Sum256(text), Text: text, Signature: signature,
		PutBy: c.Subject, KeyID: c.KeyID, PutAt: s.Now(),
	}
	after, err := s.store(r.Context(), bundle, compiled, func(t storage.Tx, last storage.Bundle) error {
		if err := web.CheckKey(t, c); err != nil {
			return err
		}
		return check(last)
	})
	if err != nil {
		return err
	}
	w.Header().Set("ETag", etag(after.Digest))
	response := bundleOf(after)
	response.Notes = compiled.Notes()
	web.WriteJSON(w, http.StatusOK, response)
	return nil
}

// store puts the bundle in force unless check fails, which gets the bundle in force before,
// or a zero one. It returns the bundle in force afterwards.
func (s *Service) store(ctx context.Context, b storage.Bundle, compiled *policy.Bundle, check func(t storage.Tx, last storage.Bundle) error) (after storage.Bundle, err error) {
	err = s.Store.UpdateSized(ctx, len(b.Text), func(t storage.Tx) error {
		last, err := t.Policies().Bundle(b.Tenant)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if err := check(t, last); err != nil {
			return err
		}
		if _, err := t.Policies().PutBundle(b); err != nil {
			return putError(err, b, last)
		}
		after, err = t.Policies().Bundle(b.Tenant)
		return err
	})
	if err != nil {
		return storage.Bundle{}, err
	}
	s.Rules.Replaced(b.Tenant, compiled, b.Signature)
	return after, nil
}

// putError adds to an error of PutBundle which bundle is in force.
func putError(err error, b, last storage.Bundle) error {
	if !errors.Is(err, storage.ErrConflict) {
		return err
	}
	if b.Name != last.Name {
		return web.Problem(http.StatusConflict, wire.CodeConflict,
			fmt.Sprintf("its name is %.80q, and that of the bundle in force is %.80q", b.Name, last.Name),
			web.WithRemediation("Keep the name: services that follow the bundle refuse another one. For another bundle use another tenant."))
	}
	problem := fmt.Sprintf("version %d is not higher than version %d, which is in force", b.Version, last.Version)
	if b.Version == last.Version {
		problem = fmt.Sprintf("version %d is in force with another text", b.Version)
	}
	return web.Problem(http.StatusConflict, wire.CodeConflict, problem,
		web.WithRemediation(fmt.Sprintf("Set version to %d or more, also to return to an earlier text.", last.Version+1)))
}

// get answers GET bundle with the text of the bundle in force.
func (s *Service) get(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	return s.write(w, r, func(t storage.Tx) (storage.Bundle, error) { return t.Policies().Bundle(c.Tenant) })
}

// getVersion answers GET bundle/history/{version}.
func (s *Service) getVersion(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	version, err := strconv.ParseInt(r.PathValue("version"), 10, 64)
	if err != nil {
		return web.NotFound("policy bundle")
	}
	return s.write(w, r, func(t storage.Tx) (storage.Bundle, error) { return t.Policies().BundleVersion(c.Tenant, version) })
}

// write responds with the text of a bundle, byte by byte as it was stored.
func (s *Service) write(w http.ResponseWriter, r *http.Request, read func(storage.Tx) (storage.Bundle, error)) error {
	var bundle storage.Bundle
	err := s.Store.View(r.Context(), func(t storage.Tx) (err error) {
		bundle, err = read(t)
		return err
	})
	if errors.Is(err, storage.ErrNotFound) || err == nil && bundle.Text == nil {
		return web.NotFound("policy bundle")
	}
	if err != nil {
		return err
	}
	if err := web.CapacityError(web.Account(r).Charge(int64(len(bundle.Text)))); err != nil {
		return err
	}
	w.Header().Set(wire.BundleHeader, storage.BundleName(bundle.Name, bundle.Version))
	if len(bundle.Signature) > 0 {
		w.Header().Set(wire.SignatureHeader, base64.StdEncoding.EncodeToString(bundle.Signature))
	}
	if notModified(w, r, bundle.Digest) {
		return nil
	}
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Content-Length", strconv.Itoa(len(bundle.Text)))
	_, _ = w.Write(bundle.Text) // it fails if the client has disconnected
	return nil
}

// history answers GET bundle/history.
func (s *Service) history(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	limit, cursor, err := web.Paging(r, historyPage, maxHistoryPage)
	if err != nil {
		return err
	}
	before, err := web.SequenceCursor(cursor)
	if err != nil {
		return err
	}
	var list []storage.Bundle
	more := false
	if err := s.Store.View(r.Context(), func(t storage.Tx) (err error) {
		list, more, err = t.Policies().Bundles(c.Tenant, before, limit)
		return err
	}); err != nil {
		return err
	}
	bundles := make([]aureus.PolicyBundle, len(list))
	for i, b := range list {
		bundles[i] = bundleOf(b)
	}
	next := ""
	if more {
		next = strconv.FormatInt(list[len(list)-1].Version, 10)
	}
	return web.WriteList(w, r, bundles, next)
}

func bundleOf(b storage.Bundle) aureus.PolicyBundle {
	return aureus.PolicyBundle{
		Name: b.Name, Version: b.Version, Digest: b.Digest, PutBy: b.PutBy, KeyID: b.KeyID, PutAt: aureus.TimestampOf(b.PutAt), Signed: len(b.Signature) > 0,
	}
}
