package controlplane

import (
	"testing"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Governor returns the governor of the server.
func Governor(s *Server) *governor.Governor { return s.governor }

// OwnerOf returns the owner to which requests with the key are charged.
func OwnerOf(t *testing.T, s *Server, secret string) governor.Owner {
	t.Helper()
	c, err := s.web.LookUp(t.Context(), secret)
	if err != nil {
		t.Fatal(err)
	}
	return governor.Owner{Tenant: c.Tenant, Key: c.KeyID}
}

// SetLongRead sets how long one read of a store may take.
func SetLongRead(s *Server, d time.Duration) { s.longRead = d }

// SetRunQuota sets the limits of runs that have not ended.
func SetRunQuota(s *Server, quota storage.RunQuota) { s.runs.SetQuota(quota) }
