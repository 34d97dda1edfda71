package controlplane

import (
	"testing"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Governor is the server's, for tests to look at.
func Governor(s *Server) *governor.Governor { return s.governor }

// OwnerOf is in whose name requests with the key are counted.
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

// SetRunQuota bounds the runs that have not ended.
func SetRunQuota(s *Server, quota storage.RunQuota) { s.runs.SetQuota(quota) }
