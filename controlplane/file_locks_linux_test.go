package controlplane_test

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
)

// A program may open the keys beside its own control plane. Closing them must not
// release the lock on the file: on Linux, closing any descriptor of a file releases its
// POSIX locks, and another process could then open the database.
func TestOpenKeys_InTheServersProcess_KeepsTheLock(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	file, err := os.OpenFile(db, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	locked := func() bool { // whether another process would find the file locked
		const getLock, firstOfMany, many = 36, 0x40000002, 510 // F_OFD_GETLK, and the bytes that readers lock
		lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: firstOfMany, Len: many}
		require.NoError(t, syscall.FcntlFlock(file.Fd(), getLock, &lock))
		return lock.Type != syscall.F_UNLCK
	}
	require.False(t, locked())
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: db})
	require.NoError(t, err)
	require.True(t, locked())

	keys, err := controlplane.OpenKeys(t.Context(), db)
	require.NoError(t, err)
	_, err = keys.List(t.Context())
	require.NoError(t, err)
	require.NoError(t, keys.Close())
	require.True(t, locked())
	require.NoError(t, srv.Close())
	require.False(t, locked())
}
