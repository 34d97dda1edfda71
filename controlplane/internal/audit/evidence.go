package audit

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/evidence"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// getCheckpoint answers GET audit/checkpoint with the checkpoint of the size in the query,
// or with one that covers every entry.
func (s *Service) getCheckpoint(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	found, err := s.checkpoint(r, c, "size", r.URL.Query().Get("size"), 0)
	if err != nil {
		return err
	}
	var result aureus.AuditCheckpoint
	err = s.Store.View(r.Context(), func(t storage.Tx) (err error) {
		result, err = evidence.CheckpointOf(t.Installation(), found)
		return err
	})
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, result)
	return nil
}

// getProof answers GET audit/proof: it proves that an entry, the first one of a decision
// or the one with a sequence, is in the log.
func (s *Service) getProof(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	filter, err := oneEntry(r)
	if err != nil {
		return err
	}
	entries, _, err := s.page(r, c, filter, false)
	if err != nil {
		return err
	}
	sequence := filter.After + 1
	if !filter.DecisionID.IsZero() && len(entries) > 0 {
		sequence = entries[0].Sequence
	}
	if len(entries) == 0 || entries[0].Sequence != sequence {
		return web.NotFound("an entry of the audit log that is not archived")
	}
	found, err := s.checkpoint(r, c, "size", r.URL.Query().Get("size"), sequence)
	if err != nil {
		return err
	}
	var proof aureus.AuditProof
	err = s.Store.View(r.Context(), func(t storage.Tx) (err error) {
		proof, err = evidence.Prove(t, entries[0], found)
		return err
	})
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, proof)
	return nil
}

// oneEntry parses decision_id and sequence, of which exactly one must be there.
func oneEntry(r *http.Request) (f storage.AuditFilter, err error) {
	query := r.URL.Query()
	id, sequence := query.Get("decision_id"), query.Get("sequence")
	f.Limit = 1
	switch {
	case (id == "") == (sequence == ""):
		return f, web.BadQuery("decision_id", "either decision_id or sequence must say which entry is meant")
	case id != "":
		if err := f.DecisionID.UnmarshalText([]byte(id)); err != nil {
			return f, web.BadQuery("decision_id", "must be the id of a decision: dec_ and 26 base32 characters")
		}
		return f, nil
	}
	n, err := positive("sequence", sequence)
	f.After = n - 1
	return f, err
}

// getConsistency answers GET audit/consistency: it proves that the log with to entries
// continues the one with from entries.
func (s *Service) getConsistency(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	from, err := positive("from", r.URL.Query().Get("from"))
	if err != nil {
		return err
	}
	found, err := s.checkpoint(r, c, "to", r.URL.Query().Get("to"), from)
	if err != nil {
		return err
	}
	var proof aureus.AuditConsistency
	err = s.Store.View(r.Context(), func(t storage.Tx) (err error) {
		proof, err = evidence.ProveGrowth(t, from, found)
		return err
	})
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, proof)
	return nil
}

// checkpoint returns the checkpoint of the size in a parameter of the query. If its text is
// empty, it makes one that covers every entry, unless there is one already. The
// checkpoint must cover at least that many entries.
func (s *Service) checkpoint(r *http.Request, c web.Caller, parameter, text string, least int64) (found storage.Checkpoint, err error) {
	if text == "" {
		found, err = Checkpoint(r.Context(), s.Store, c.Tenant, s.Now)
		if errors.Is(err, storage.ErrNotFound) {
			return found, web.NotFound("an entry of the audit log")
		}
	} else {
		var size int64
		if size, err = positive(parameter, text); err != nil {
			return found, err
		}
		err = s.Store.View(r.Context(), func(t storage.Tx) (err error) {
			found, err = t.Trees().CheckpointAt(c.Tenant, size)
			return err
		})
		if errors.Is(err, storage.ErrNotFound) {
			return found, web.NotFound("a checkpoint of " + strconv.FormatInt(size, 10) + " entries")
		}
	}
	if err == nil && found.Size < least {
		return found, web.NotFound("a checkpoint of at least " + strconv.FormatInt(least, 10) + " entries")
	}
	return found, err
}

// positive parses a parameter of the query that must be a number of at least 1.
func positive(parameter, text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, web.BadQuery(parameter, "must be a number of entries, at least 1")
	}
	return n, nil
}
