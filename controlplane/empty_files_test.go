package controlplane_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	controldb "github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	telemetrydb "github.com/farmountain/aureus-go/controlplane/internal/telemetry/sqlite"
)

// emptyFiles returns the contents of the files of a new server: its two databases and
// its signing key. They are made once: applying all migrations takes longer than most
// tests.
var emptyFiles = sync.OnceValues(func() (files [3][]byte, err error) {
	folder, err := os.MkdirTemp("", "aureus-empty-")
	if err != nil {
		return files, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	control, reports := filepath.Join(folder, "a.db"), filepath.Join(folder, "b.db")
	store, err := controldb.Open(context.Background(), control, storage.Options{})
	if err != nil {
		return files, err
	}
	if err := store.Close(); err != nil {
		return files, err
	}
	telemetryStore, err := telemetrydb.Open(context.Background(), reports, telemetry.Options{})
	if err != nil {
		return files, err
	}
	if err := telemetryStore.Close(); err != nil {
		return files, err
	}
	for i, path := range []string{control, reports, controldb.KeyFile(control)} {
		if files[i], err = os.ReadFile(path); err != nil {
			return files, err
		}
	}
	return files, nil
})

// copyEmptyFiles writes the files of a new server where the configured one looks for
// its own, if there are none. Servers of different tests have the same identity then.
func copyEmptyFiles(t *testing.T, c controlplane.Config) {
	t.Helper()
	if c.Ephemeral || c.SigningKeyFile != "" {
		return
	}
	extension := filepath.Ext(c.DB)
	paths := [3]string{c.DB, strings.TrimSuffix(c.DB, extension) + ".telemetry" + extension, controldb.KeyFile(c.DB)}
	for _, path := range paths {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
	files, err := emptyFiles()
	require.NoError(t, err)
	for i, path := range paths {
		require.NoError(t, os.WriteFile(path, files[i], 0o600))
	}
}
