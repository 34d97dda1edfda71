package settings

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A named pipe that nobody writes to does not hold the command.
func TestFind_ConfigurationIsANamedPipe_IsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, syscall.Mkfifo(file, 0o600))
	_, err := Find(env(map[string]string{"AUREUS_CONFIG": file}), "", "")
	require.ErrorContains(t, err, "is not a regular file")
}
