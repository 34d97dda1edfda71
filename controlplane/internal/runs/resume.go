package runs

import (
	"context"
	"fmt"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
)

// resume continues the runs that were under way when the process ended. Each of
// them waits for a slot, so that they do not exceed the limit together.
func (s *Service) resume(ctx context.Context) error {
	var open []storage.Run
	var revoked map[string]bool // by the id of the run
	err := s.config.Store.View(ctx, func(t storage.Tx) error {
		list, err := t.Runs().ListOpen()
		if err != nil {
			return err
		}
		keys := map[string]bool{}
		for _, stored := range list {
			live, err := t.Keys().Live(stored.Tenant, stored.KeyID)
			if err != nil {
				return err
			}
			keys[stored.ID] = !live
		}
		open, revoked = list, keys
		return nil
	})
	if err != nil {
		return fmt.Errorf("controlplane: reading the workflows that have not ended: %w", err)
	}
	for _, stored := range open {
		r, err := loadRun(stored)
		if err != nil {
			s.config.Log.ErrorContext(ctx, "a workflow cannot continue", runID(stored.ID), errorAttr(err))
			continue
		}
		switch {
		case r.state.Status == workflow.Running:
			r.state.ByItself = true // no request waits for it
		case r.state.Status == workflow.AwaitingApproval && revoked[stored.ID]:
			r.state.Resume() // the run then finds that its key is revoked, and is parked
		default:
			continue
		}
		if _, err := s.launchWaiting(r); err != nil {
			s.config.Log.WarnContext(ctx, "a workflow cannot continue yet", runID(stored.ID), errorAttr(err))
		}
	}
	return nil
}
