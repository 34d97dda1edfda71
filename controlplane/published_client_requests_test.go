package controlplane_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/idtext"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// TestPublishedClient_RecordedRequests_AreTaken sends the requests of the published
// Python client, byte for byte and over a real connection, to a server in development
// mode, which treats the client's invalid key k like no key.
func TestPublishedClient_RecordedRequests_AreTaken(t *testing.T) {
	t.Parallel()
	var file struct {
		Vectors []struct {
			Name     string `json:"name"`
			Kind     string `json:"kind"`
			Expected struct {
				Method    string            `json:"method,omitzero"`
				Path      string            `json:"path,omitzero"`
				Headers   map[string]string `json:"headers,omitzero"`
				BodyBytes string            `json:"body_bytes,omitzero"`
			} `json:"expected"`
		} `json:"vectors"`
	}
	text, err := os.ReadFile("testdata/wire.json")
	require.NoError(t, err)
	require.NoError(t, strictjson.Unmarshal(text, &file))

	// The cases do not contain the expected response: a result that the published
	// client parses, or an error that this server returns deliberately.
	want := map[string]int{
		"execute_workflow_full": http.StatusOK, "get_workflow_status": http.StatusNotFound,
		"validate_commit_minimal": http.StatusOK, "validate_commit_full": http.StatusOK, "validate_commit_null_data": http.StatusOK,
		"register_validator":             http.StatusOK,
		"report_metric_nan_becomes_null": http.StatusUnprocessableEntity,
	}
	srv := open(t, func(c *controlplane.Config) { c.Dev = true })
	listening := httptest.NewServer(srv)
	t.Cleanup(listening.Close)
	seen := 0
	for _, v := range file.Vectors {
		if v.Kind != "request" {
			continue
		}
		seen++
		t.Run(v.Name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), v.Expected.Method, listening.URL+v.Expected.Path, strings.NewReader(v.Expected.BodyBytes))
			require.NoError(t, err)
			for name, value := range v.Expected.Headers {
				request.Header.Set(name, value)
			}
			response, err := listening.Client().Do(request)
			require.NoError(t, err)
			defer func() { require.NoError(t, response.Body.Close()) }()
			require.Equal(t, want[v.Name], response.StatusCode)
			require.Equal(t, "application/json", response.Header.Get("Content-Type"))
			require.Positive(t, response.ContentLength)
		})
	}
	require.Len(t, want, seen, "each request of the cases has an expected response")
}

// TestPublishedClient_ResponseFields_AreThere checks that the responses have the fields
// that the published client requires.
func TestPublishedClient_ResponseFields_AreThere(t *testing.T) {
	t.Parallel()
	srv := open(t, func(c *controlplane.Config) { c.Dev = true })
	const (
		principal = `{"id":"agent-1","type":"agent","permissions":[]}`
		critical  = `{"id":"delete","name":"Delete","risk_tier":"critical","required_permissions":[],"intent":null,"data_zone":null,"allowed_tools":null,"metadata":null}`
		context   = `{"principal":` + principal + `,"action":` + critical + `,"current_state":"idle","audit_log":[]}`
	)
	t.Run("evaluate", func(t *testing.T) {
		got := raw{path: "/api/v1/policy/evaluate", body: context}.do(t, srv)
		require.Equal(t, http.StatusOK, got.status)
		body := got.json(t)
		require.Equal(t, false, body["allowed"])
		require.Equal(t, true, body["requires_human_approval"])
		require.NotEmpty(t, body["reason"])
		require.True(t, idtext.IsApproval(body["approval_token"].(string)))
		require.Equal(t, "require_approval", body["effect"])
		require.Contains(t, body["approval"], "expires_at")
	})
	t.Run("audit_log and current_state of the request are ignored", func(t *testing.T) {
		with := strings.Replace(context, `"audit_log":[]`, `"audit_log":[{"timestamp":"t","principal":`+principal+`,"action":`+critical+`,"decision":{"allowed":true,"reason":"r","requires_human_approval":false,"approval_token":null,"metadata":null},"state_transition":{"from_state":"idle","to_state":"approved"},"approval_token":null}]`, 1)
		with = strings.Replace(with, `"idle"`, `"approved"`, 1)
		got := raw{path: "/api/v1/policy/evaluate", body: with}.do(t, srv)
		require.Equal(t, http.StatusOK, got.status, got.body)
		require.Equal(t, false, got.json(t)["allowed"])
	})
	t.Run("check", func(t *testing.T) {
		got := raw{path: "/api/v1/policy/check", body: `{"principal":` + principal + `,"action":` + critical + `}`}.do(t, srv)
		require.Equal(t, http.StatusOK, got.status)
		body := got.json(t)
		require.Equal(t, false, body["allowed"])
		require.Equal(t, true, body["has_permission"])
		require.Equal(t, true, body["requires_human_approval"])
		require.NotEmpty(t, body["reason"])
	})
	t.Run("check of a low risk with no required permission is true", func(t *testing.T) {
		low := strings.Replace(critical, `"critical"`, `"LOW"`, 1)
		got := raw{path: "/api/v1/policy/check", body: `{"principal":` + principal + `,"action":` + low + `}`}.do(t, srv)
		require.Equal(t, true, got.json(t)["allowed"])
	})
	t.Run("check decides about the tool, or a missing tool, as evaluate does", func(t *testing.T) {
		tools := strings.Replace(strings.Replace(critical, `"critical"`, `"low"`, 1), `"allowed_tools":null`, `"allowed_tools":["bank"]`, 1)
		got := raw{path: "/api/v1/policy/check", body: `{"principal":` + principal + `,"action":` + tools + `}`}.do(t, srv)
		require.Equal(t, false, got.json(t)["allowed"])
		require.Equal(t, true, got.json(t)["has_permission"])
		require.Equal(t, false, got.json(t)["requires_human_approval"])
		require.Contains(t, got.json(t)["reason"], "without a tool")
		bank := raw{path: "/api/v1/policy/check", body: `{"principal":` + principal + `,"action":` + tools + `,"tool_name":"bank"}`}.do(t, srv).json(t)
		require.Equal(t, true, bank["allowed"])
		named := raw{path: "/api/v1/policy/check", body: `{"principal":` + principal + `,"action":` + tools + `,"tool_name":"shell"}`}.do(t, srv).json(t)
		require.Equal(t, false, named["allowed"])
		require.Equal(t, true, named["has_permission"])
	})
	t.Run("an approval for another digest is refused", func(t *testing.T) {
		body := `{"action":` + critical + `,"principal":` + principal + `,"reason":"r","action_digest":"sha256:` + strings.Repeat("0", 63) + `1"}`
		raw{path: "/api/v1/policy/approval", body: body}.do(t, srv).refusal(t, 422, "APPROVAL_MISMATCH")
	})
	t.Run("approval although permissions are missing", func(t *testing.T) {
		needs := strings.Replace(critical, `"required_permissions":[]`, `"required_permissions":[{"action":"delete","resource":"records","intent":null,"data_zone":null,"conditions":null}]`, 1)
		ask := raw{path: "/api/v1/policy/approval", body: `{"action":` + needs + `,"principal":` + principal + `,"reason":"cleaning up"}`}
		got := ask.do(t, srv)
		require.Equal(t, http.StatusOK, got.status, got.body)
		body := got.json(t)
		require.NotEmpty(t, body["approval_token"])
		require.Equal(t, false, body["joined"])
		approval, _ := body["approval"].(map[string]any)
		require.Equal(t, false, approval["has_permission"])
		require.Equal(t, "cleaning up", approval["reason"])

		again := ask.do(t, srv).json(t)
		require.Equal(t, body["approval_token"], again["approval_token"], "a duplicate gets the id of the existing approval")
		require.Equal(t, true, again["joined"])
	})
}
