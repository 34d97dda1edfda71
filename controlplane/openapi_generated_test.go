package controlplane_test

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/controlplane/internal/contract"
)

var update = flag.Bool("update", false, "write the OpenAPI document instead of comparing it")

// The document in the repository is equal to the one that is generated from the routes
// and the types of the bodies.
func TestOpenAPI_GeneratedDocument_IsTheCommittedOne(t *testing.T) {
	generated, err := contract.Generate(controlplane.Routes(open(t)))
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile("internal/contract/openapi.json", generated, 0o600))
		return
	}
	require.Equal(t, string(generated), string(contract.Document()), "run go generate ./internal/contract in the folder controlplane")
}
