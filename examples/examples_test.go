// Package examples_test runs the small examples, each in its folder, and holds
// what they print against what they should.
package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var outputs = map[string]string{
	"guard-handler":      "\"agent-7\": 200 OK\n\"agent-8\": 403 Forbidden\n\"\": 401 Unauthorized\n",
	"gate-function":      "set to 450\nblocked: OUT_OF_SCOPE - Check the allowed range or scope of the operation and bring the value inside it.\nstill 450\n",
	"export-traces":      "order false\npay true\n",
	"embed-controlplane": "not yet: require_approval\napproved, first time: <nil>\napproved, second time: true\n",
}

func TestExamples(t *testing.T) {
	folders, err := filepath.Glob("*/main.go")
	require.NoError(t, err)
	require.Len(t, folders, len(outputs)+1, "every example but quickstart, which has a test of its own, is run here")
	for name, want := range outputs {
		t.Run(name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), "go", "run", "./"+name)
			command.Stderr = os.Stderr
			got, err := command.Output()
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		})
	}
}
