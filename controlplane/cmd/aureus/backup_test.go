package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
)

func TestBackup(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: db})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	none := func(string) string { return "" }

	var out, complaints bytes.Buffer
	to := filepath.Join(t.TempDir(), "copies")
	require.Zero(t, run(t.Context(), []string{"backup", "--db", db, "--to", to}, none, &out, &complaints), "%s", &complaints)
	require.Contains(t, out.String(), to)
	require.FileExists(t, filepath.Join(to, "aureus.db"))
	require.FileExists(t, filepath.Join(to, "aureus.telemetry.db"))

	require.Equal(t, 1, run(t.Context(), []string{"backup", "--db", db}, none, &out, &complaints))
	require.Contains(t, complaints.String(), "--to")
	require.Equal(t, 1, run(t.Context(), []string{"backup", "--db", filepath.Join(t.TempDir(), "no.db"), "--to", t.TempDir()}, none, &out, &complaints))
	require.Equal(t, 2, run(t.Context(), []string{"backup", "--nonsense"}, none, &out, &complaints))
}
