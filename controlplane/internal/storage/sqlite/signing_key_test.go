package sqlite

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/seal"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

func openAt(t *testing.T, file, key string) (*DB, error) {
	t.Helper()
	return Open(t.Context(), file, storage.Options{SigningKeyFile: key})
}

func TestOpen_NewDatabase_CreatesAKeyBesideIt(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.db")
	db, err := openAt(t, file, "")
	require.NoError(t, err)
	public := db.SigningKey().Public()
	beside, err := OpenBeside(t.Context(), file)
	require.NoError(t, err)
	require.Equal(t, public, beside.SigningKey().Public(), "a task beside the server has the same key")
	require.NoError(t, beside.Close())
	require.NoError(t, db.Close())
	ring, err := seal.Load(filepath.Join(filepath.Dir(file), "a.key"))
	require.NoError(t, err)
	require.Equal(t, public, ring.Newest())
	again, err := openAt(t, file, "")
	require.NoError(t, err)
	require.Equal(t, public, again.SigningKey().Public())
	require.NoError(t, again.Close())
}

func TestOpen_KeyFileGoneOrAnother_IsRefusedAndNoKeyIsMade(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "a.db")
	db, err := openAt(t, file, "")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	key := KeyFile(file)
	saved, err := os.ReadFile(key)
	require.NoError(t, err)

	require.NoError(t, os.Remove(key))
	_, err = openAt(t, file, "")
	require.ErrorIs(t, err, storage.ErrNoSigningKey)
	require.ErrorContains(t, err, "put it back from its copy")
	require.NoFileExists(t, key)
	_, err = OpenBeside(t.Context(), file)
	require.ErrorIs(t, err, storage.ErrNoSigningKey)

	_, err = seal.Create(key)
	require.NoError(t, err)
	_, err = openAt(t, file, "")
	require.ErrorIs(t, err, seal.ErrOtherKey)

	require.NoError(t, os.WriteFile(key, saved, 0o600))
	db, err = openAt(t, file, "")
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

func TestOpen_KeyFileElsewhere_IsRemembered(t *testing.T) {
	t.Parallel()
	file, elsewhere := filepath.Join(t.TempDir(), "a.db"), filepath.Join(t.TempDir(), "signing.pem")
	db, err := openAt(t, file, elsewhere)
	require.NoError(t, err)
	public := db.SigningKey().Public()
	require.NoError(t, db.Close())
	require.NoFileExists(t, KeyFile(file))
	require.FileExists(t, elsewhere)
	db, err = OpenBeside(t.Context(), file)
	require.NoError(t, err)
	require.Equal(t, public, db.SigningKey().Public())
	require.NoError(t, db.Close())

	moved := KeyFile(file)
	require.NoError(t, os.Rename(elsewhere, moved))
	_, err = openAt(t, file, "")
	require.ErrorIs(t, err, storage.ErrNoSigningKey)
	require.ErrorContains(t, err, elsewhere)
	db, err = openAt(t, file, moved)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	db, err = openAt(t, file, "")
	require.NoError(t, err, "the file beside the database counts again")
	require.NoError(t, db.Close())
}

func TestKeyFile_AnyDatabaseName_IsAnotherFile(t *testing.T) {
	t.Parallel()
	for db, want := range map[string]string{"a.db": "a.key", "a": "a.key", "a.key": "a.key.key", "a.b.sqlite": "a.b.key"} {
		require.Equal(t, want, KeyFile(db))
	}
}
