package audit

import (
	"context"
	"errors"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/evidence"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// Entries returns entries of the tenant's log, without recorded inputs. more reports
// whether further ones match.
func (s *Service) Entries(ctx context.Context, tenant string, filter storage.AuditFilter) (entries []aureus.AuditRecord, more bool, err error) {
	err = s.Store.ViewLong(ctx, tenant, func(t storage.Tx) error {
		entries, more, err = t.Audit().Page(tenant, filter)
		return err
	})
	return entries, more, err
}

// Verify checks the tenant's log, from its first entry that is not archived.
func (s *Service) Verify(ctx context.Context, tenant string) (aureus.AuditVerification, error) {
	return storage.VerifyAudit(ctx, s.Store, tenant)
}

// Prove proves that the entry with that sequence is in the log of the last checkpoint,
// which it makes if the last one does not cover every entry. If there is no such entry,
// the error is the response with status 404.
func (s *Service) Prove(ctx context.Context, tenant string, sequence int64) (proof aureus.AuditProof, err error) {
	entries, _, err := s.Entries(ctx, tenant, storage.AuditFilter{After: sequence - 1, Limit: 1})
	if err != nil {
		return proof, err
	}
	if len(entries) == 0 || entries[0].Sequence != sequence {
		return proof, web.NotFound("an entry of the audit log that is not archived")
	}
	found, err := Checkpoint(ctx, s.Store, tenant, s.Now)
	if err == nil && found.Size < sequence {
		err = storage.ErrNotFound
	}
	if errors.Is(err, storage.ErrNotFound) {
		err = web.NotFound("a checkpoint of at least " + strconv.FormatInt(sequence, 10) + " entries")
	}
	if err != nil {
		return proof, err
	}
	err = s.Store.View(ctx, func(t storage.Tx) (err error) {
		proof, err = evidence.Prove(t, entries[0], found)
		return err
	})
	return proof, err
}
