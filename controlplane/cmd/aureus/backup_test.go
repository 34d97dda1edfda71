package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
)

func TestBackup_Arguments_AreChecked(t *testing.T) {
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

// The examples of the documentation use relative paths.
func TestBackup_RelativePath_CopiesTheDatabase(t *testing.T) {
	t.Chdir(t.TempDir())
	none := func(string) string { return "" }
	for _, db := range []string{"aureus.db", "./aureus #y%20.db", "data/aureus.db"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(db), 0o700))
		srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: db})
		require.NoError(t, err)
		_, _, err = srv.Keys().Add(t.Context(), "test", controlplane.Key{Subject: "olga", Role: controlplane.RoleOperator})
		require.NoError(t, err)
		to := filepath.Base(db) + "-" + strconv.Itoa(len(db)) + "-monday"
		var out, complaints bytes.Buffer
		require.Zero(t, run(t.Context(), []string{"backup", "--db", db, "--to", to}, none, &out, &complaints), "%s", &complaints)
		require.NoError(t, srv.Close())

		copied, err := controlplane.Open(t.Context(), controlplane.Config{DB: filepath.Join(to, filepath.Base(db))})
		require.NoError(t, err, "the copy can be opened")
		keys, err := copied.Keys().List(t.Context())
		require.NoError(t, err)
		require.Len(t, keys, 1)
		require.NoError(t, copied.Close())
	}
}
