package main

import (
	"bytes"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// The commands run in the test process; none of them begins to listen.
func TestRun_InvalidArguments_AreRefused(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	for name, row := range map[string]struct {
		args []string
		env  map[string]string
		code int
		says string
	}{
		"no command":                         {nil, nil, 2, "Usage:"},
		"an unknown command":                 {[]string{"server"}, nil, 2, `unknown command "server"`},
		"an unknown flag":                    {[]string{"serve", "--port", "1"}, nil, 2, "-port"},
		"an unexpected argument":             {[]string{"serve", "now"}, nil, 2, `serve: unexpected argument "now"`},
		"every address without TLS":          {[]string{"serve", "--addr", ":0"}, nil, 1, "--tls-cert"},
		"any IPv4 without TLS":               {[]string{"serve", "--addr", "0.0.0.0:0"}, nil, 1, "--tls-cert"},
		"another address without TLS":        {[]string{"serve", "--addr", "192.0.2.1:0"}, nil, 1, "--tls-cert"},
		"dev beyond the loopback":            {[]string{"serve", "--dev", "--addr", "0.0.0.0:0", "--insecure-http"}, nil, 1, "loopback addresses only"},
		"dev from the environment":           {[]string{"serve", "--addr", ":0"}, map[string]string{"AUREUS_DEV": "1"}, 1, "loopback addresses only"},
		"a certificate without its key":      {[]string{"serve", "--tls-cert", "x"}, nil, 1, "must be used together"},
		"a missing certificate":              {[]string{"serve", "--addr", "127.0.0.1:0", "--db", db, "--tls-cert", "x", "--tls-key", "y"}, nil, 1, "--tls-cert"},
		"an invalid address":                 {[]string{"serve", "--addr", "here"}, nil, 1, "--addr"},
		"no address":                         {[]string{"serve", "--addr", ""}, nil, 1, "--addr must name"},
		"no retention":                       {[]string{"serve", "--addr", "127.0.0.1:0", "--db", db, "--retention", "0s"}, nil, 1, "--retention"},
		"an invalid volatile pointer":        {[]string{"serve", "--addr", "127.0.0.1:0", "--db", db, "--volatile", "attempt"}, nil, 1, "/volatile/0"},
		"a key with an empty tenant":         {[]string{"keys", "add", "--create", "--subject", "s", "--role", "operator", "--tenant", "", "--db", db}, nil, 1, "--tenant"},
		"an unknown verb of keys":            {[]string{"keys", "show"}, nil, 2, `unknown command "keys show"`},
		"an unknown verb of audit":           {[]string{"audit", "check"}, nil, 2, `unknown command "audit check"`},
		"an audit log with an empty tenant":  {[]string{"audit", "verify", "--tenant", "", "--db", db}, nil, 1, "--tenant"},
		"entries without head":               {[]string{"audit", "verify", "--entries", "3", "--db", db}, nil, 1, "must be used together"},
		"zero entries without head":          {[]string{"audit", "verify", "--entries", "0", "--db", db}, nil, 1, "must be used together"},
		"an empty head":                      {[]string{"audit", "verify", "--entries", "3", "--head", "", "--db", db}, nil, 1, "--head"},
		"negative entries without head":      {[]string{"audit", "verify", "--entries", "-1", "--db", db}, nil, 1, "--entries"},
		"a head with zero entries":           {[]string{"audit", "verify", "--entries", "0", "--head", "00", "--db", db}, nil, 1, "--entries"},
		"an archive with a negative age":     {[]string{"audit", "archive", "--to", "t", "--key", "k", "--before", "-1h", "--db", db}, nil, 1, "--before"},
		"no database":                        {[]string{"serve", "--db", ""}, nil, 1, "--db"},
		"an unknown log format":              {[]string{"serve", "--log-format", "xml"}, nil, 1, "--log-format"},
		"no time to decide":                  {[]string{"serve", "--approval-lifetime", "0s"}, nil, 1, "--approval-lifetime"},
		"no time to use":                     {[]string{"serve"}, map[string]string{"AUREUS_APPROVAL_USE_TIME": "-1m"}, 1, "--approval-use-time"},
		"an invalid duration":                {[]string{"serve", "--approval-use-time", "soon"}, nil, 2, "approval-use-time"},
		"too much time to decide":            {[]string{"serve", "--addr", "127.0.0.1:0", "--db", db, "--approval-lifetime", "9000h"}, nil, 1, "ApprovalLifetime"},
		"an invalid variable":                {[]string{"serve"}, map[string]string{"AUREUS_DEV": "perhaps"}, 1, "AUREUS_DEV"},
		"a short operator's key":             {[]string{"serve", "--dev", "--addr", "127.0.0.1:0", "--db", db}, map[string]string{"AUREUS_OPERATOR_KEY": "short"}, 1, "OperatorKey"},
		"keys without a verb":                {[]string{"keys"}, nil, 2, "aureus keys add"},
		"keys of a missing file":             {[]string{"keys", "list", "--db", db + ".no"}, nil, 1, db + ".no does not exist"},
		"adding a key to a missing file":     {[]string{"keys", "add", "--subject", "s", "--role", "service", "--db", db + ".no"}, nil, 1, "--create"},
		"revoking in a missing file":         {[]string{"keys", "revoke", "key_1", "--db", db + ".no"}, nil, 1, db + ".no does not exist"},
		"a backup of a missing file":         {[]string{"backup", "--to", db + ".copies", "--db", db + ".no"}, nil, 1, db + ".no does not exist"},
		"a missing file of the environment":  {[]string{"keys", "list"}, map[string]string{"AUREUS_DB": db + ".no"}, 1, db + ".no does not exist"},
		"a key without a role":               {[]string{"keys", "add", "--create", "--subject", "s", "--db", db}, nil, 1, "role"},
		"revoking no key":                    {[]string{"keys", "revoke", "--db", db}, nil, 2, "keys revoke: the argument KEY_ID is missing"},
		"revoking two keys":                  {[]string{"keys", "revoke", "a", "--db", db, "b"}, nil, 2, `keys revoke: unexpected argument "b"`},
		"an unknown flag at the end":         {[]string{"keys", "revoke", "a", "--bd", db}, nil, 2, "-bd"},
		"an argument that looks like a flag": {[]string{"keys", "revoke", "--db", db + ".no", "--", "--db"}, nil, 1, "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			code := run(t.Context(), row.args, func(name string) string { return row.env[name] }, &out, &out)
			require.Equal(t, row.code, code, out.String())
			require.Contains(t, out.String(), row.says)
			require.NotContains(t, out.String(), "short\n")
		})
	}
	left, err := filepath.Glob(db + ".*")
	require.NoError(t, err)
	require.Empty(t, left, "no file was created")
}

// Flags may be before and after the argument.
func TestParse_FlagPosition_DoesNotMatter(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	aureus := func(args ...string) string {
		var out bytes.Buffer
		require.Zero(t, run(t.Context(), args, func(string) string { return "" }, &out, &out), out.String())
		return out.String()
	}
	for _, args := range [][]string{{"ID", "--db", db}, {"--db", db, "ID"}, {"--db", db, "--", "ID"}, {"--db", "elsewhere", "ID", "--db", db}} {
		added := aureus("keys", "add", "--create", "--subject", "s", "--role", "service", "--db", db)
		id, _, _ := strings.Cut(secretPattern.FindString(added), ".")
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "ID", id)
		}
		require.Equal(t, id+" is revoked.\n", aureus(append([]string{"keys", "revoke"}, args...)...))
	}
	require.NotContains(t, aureus("keys", "list", "--db", db), "  -\n", "every key is revoked")
}

// The requests in the help text work with a server in development mode.
func TestUsage_CurlExamples_Succeed(t *testing.T) {
	requests := regexp.MustCompile(`(?s)curl -s http://127.0.0.1:3000(\S+)(?: -H '([^':]+): ([^']+)' -d '([^']+)')?\n`).FindAllStringSubmatch(usage, -1)
	require.Len(t, requests, strings.Count(usage, "curl"))
	require.Equal(t, strings.Count(usage, " -d "), strings.Count(usage, "-H 'Content-Type: application/json'"))
	server := start(t, nil, "serve", "--dev", "--addr", "127.0.0.1:0")
	for _, example := range requests {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.url+example[1], nil)
		require.NoError(t, err)
		if example[4] != "" {
			request, err = http.NewRequestWithContext(t.Context(), http.MethodPost, server.url+example[1], strings.NewReader(example[4]))
			require.NoError(t, err)
			request.Header.Set(example[2], example[3])
		}
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusOK, response.StatusCode, "%s: %s", example[0], body)
	}
	server.stop(t, syscall.SIGTERM)
}

// An event stream, which would go on for ever, does not keep a server that is told to stop
// waiting until its time is over.
func TestServe_StoppedWithAStreamOpen_EndsTheStream(t *testing.T) {
	server := start(t, nil, "serve", "--dev", "--addr", "127.0.0.1:0")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.url+"/api/v1/stream?kinds=policy", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, response.StatusCode)
	server.stop(t, syscall.SIGTERM)
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err, "the stream ends, and is not cut off")
	require.NoError(t, response.Body.Close())
	require.NotContains(t, server.stderr.String(), "did not finish in time")
}

func TestRun_Help_IsPrinted(t *testing.T) {
	for _, row := range []struct {
		args []string
		says string
	}{
		{[]string{"version"}, "aureus " + aureus.Version},
		{[]string{"help"}, "aureus serve"},
		{[]string{"serve", "-h"}, "-tls-cert"},
		{[]string{"keys", "help"}, "revoke"},
	} {
		var out bytes.Buffer
		require.Zero(t, run(t.Context(), row.args, func(string) string { return "" }, &out, &out), row.args)
		require.Contains(t, out.String(), row.says)
	}
}
