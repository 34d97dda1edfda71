package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An admin key is created and printed only if there is none.
func TestServe_AdminKey_IsCreatedOnlyIfThereIsNone(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	serve := func() (printed string) {
		r := start(t, nil, "serve", "--addr", "127.0.0.1:0", "--db", db)
		r.stop(t, os.Interrupt)
		require.NotRegexp(t, secretPattern, r.stderr.String(), "the key must not be logged")
		return secretPattern.FindString(strings.Join(r.output, "\n"))
	}
	var admin struct{ ID string }
	added := runKeys(t, "add", "--create", "--subject", "adam", "--role", "admin", "--tenant", "acme", "--db", db, "--output", "json")
	require.NoError(t, json.Unmarshal([]byte(added.stdout), &admin))
	require.Empty(t, serve(), "there is an admin key, of another tenant")
	require.Empty(t, serve())
	require.Zero(t, runKeys(t, "add", "--subject", "olga", "--role", "operator", "--db", db).code)
	require.Zero(t, runKeys(t, "revoke", admin.ID, "--db", db).code)
	require.NotEmpty(t, serve(), "the last admin key was revoked")
	require.Empty(t, serve())
}

func TestServe_OptionsAsterisk_RespondsWithJSON(t *testing.T) {
	r := start(t, nil, "serve", "--dev", "--addr", "127.0.0.1:0", "--db", filepath.Join(t.TempDir(), "aureus.db"))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, r.url, http.NoBody)
	require.NoError(t, err)
	request.URL.Opaque = "*"
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	require.Equal(t, "application/json", response.Header.Get("Content-Type"))
	r.stop(t, os.Interrupt)
}
