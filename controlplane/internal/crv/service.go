// Package crv serves commit validation: it validates commits by gates of registered
// validators, and keeps the registry of validators.
package crv

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/crvgate/registry"
)

// Config is what a [Service] needs. Every field but SetUp must be set.
type Config struct {
	Store  storage.Store
	Now    func() time.Time
	Log    *slog.Logger
	Tenant string // the server's own

	MaxMemory int64 // bytes that compiled validators may take

	// SetUp adds the host's own validators to the registry of a tenant.
	SetUp func(*registry.Registry) error

	// Report stores a telemetry event. Its error is logged.
	Report func(ctx context.Context, tenant string, event aureus.TelemetryEvent) error
}

// Service validates commits. It is safe for concurrent use.
type Service struct {
	Config

	inForce inForce
}

// New makes a service with the stored validators in force. One that can no longer
// be compiled, because the host no longer has its function for example, is logged
// and left out; a gate that names it fails.
func New(ctx context.Context, config Config) (*Service, error) {
	s := &Service{Config: config, inForce: inForce{now: config.Now, setUp: config.SetUp}}
	if _, err := s.inForce.tenant(config.Tenant); err != nil { // shows an error of SetUp at the start
		return nil, err
	}
	var stored []storage.Validator
	err := s.Store.View(ctx, func(t storage.Tx) (err error) {
		stored, err = t.Validators().ListAll()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the validators: %w", err)
	}
	for _, one := range stored {
		s.inForce.memory.add(one)
		if _, err := s.inForce.tenant(one.Tenant); err != nil {
			return nil, err
		}
		if err := s.inForce.restore(one); err != nil {
			s.Log.ErrorContext(ctx, "a registered validator is not in force: gates that name it fail",
				slog.String("tenant", one.Tenant), slog.String("owner", one.Owner), slog.String("validator_id", one.ID), slog.Any("error", err))
		}
	}
	return s, nil
}
