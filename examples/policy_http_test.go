package examples_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/middleware"
)

const filesPolicy = `
aureus: policy/1
name: files
version: 1
roles:
  editor:
    grants:
      - {action: "*", resource: "files/*", intent: read}
      - {action: "*", resource: "files/*", intent: write}
      - {action: "*", resource: "files/*", intent: delete}
principals:
  "agent-*": {roles: [editor]}
actions:
  file.read: {tier: low, requires: [{action: read, resource: "files/{id}", intent: read}], routes: ["GET /files/{id}"]}
  file.delete: {tier: medium, requires: [{action: delete, resource: "files/{id}", intent: delete}], routes: ["DELETE /files/{id}"]}
  file.upload: {tier: high, requires: [{action: write, resource: "files/{id}", intent: write}], routes: ["POST /files/{id}"]}
  approval.poll: {open: true, routes: ["GET /approvals/{id}"]}
  health: {open: true, routes: ["GET /healthz"]}
budgets:
  - {id: deletions, actions: [file.delete], window: 1h, limit: 1}
`

// filesService is an HTTP service that decides by filesPolicy and asks the people of a control
// plane, on a listener.
type filesService struct {
	*httptest.Server

	plane  *controlplane.Server
	served []string // what reached a handler
}

func newFilesService(t *testing.T) *filesService {
	t.Helper()
	plane, err := controlplane.Open(t.Context(), controlplane.Config{Ephemeral: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, plane.Close()) })
	bundle, err := policy.Parse([]byte(filesPolicy))
	require.NoError(t, err)
	client := plane.Client()
	engine, err := policy.New(bundle, policy.Config{Approvals: client})
	require.NoError(t, err)

	s := &filesService{plane: plane}
	serve := func(w http.ResponseWriter, r *http.Request) {
		seen := r.Method + " " + r.URL.Path
		if file, _, err := r.FormFile("file"); err == nil {
			text, err := io.ReadAll(file)
			if err != nil {
				panic(err)
			}
			seen += " " + string(text)
		}
		s.served = append(s.served, seen)
		if r.PathValue("id") == "locked" {
			middleware.NotDone(r)
			http.Error(w, "somebody else has it open", http.StatusConflict)
			return
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/files/{id}", serve) // the bundle binds GET, HEAD, POST and DELETE
	mux.HandleFunc("GET /healthz", serve)
	mux.HandleFunc("GET /forgotten", serve)
	identify := middleware.TrustedHeader("X-Agent", netip.MustParsePrefix("127.0.0.0/8"))
	mux.Handle("GET /approvals/{id}", middleware.ApprovalStatus(client, identify))
	require.Equal(t, []string{"GET /forgotten"}, middleware.Uncovered(mux, engine))

	s.Server = httptest.NewServer(middleware.EnforceRoutes(engine, identify, engine)(mux))
	t.Cleanup(s.Close)
	return s
}

// call is a request to the service.
type call struct {
	agent, target, kind, body, ticket string
}

// response is what came back, with the members of problems and of the status of an approval.
type response struct {
	status     int
	retryAfter string
	Code       string `json:"code"`
	Approval   struct {
		ID  string `json:"id"`
		URL string `json:"url"`
	} `json:"approval"`
	Status any `json:"status"`
}

func (s *filesService) send(t *testing.T, c call) response {
	t.Helper()
	method, path, _ := strings.Cut(c.target, " ")
	request, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(c.body))
	require.NoError(t, err)
	for name, value := range map[string]string{"X-Agent": c.agent, "Content-Type": c.kind, middleware.ApprovalHeader: c.ticket} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	answered, err := s.Client().Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, answered.Body.Close()) }()
	text, err := io.ReadAll(answered.Body)
	require.NoError(t, err)
	got := response{status: answered.StatusCode, retryAfter: answered.Header.Get("Retry-After")}
	if strings.Contains(answered.Header.Get("Content-Type"), "json") && method != http.MethodHead {
		require.NoError(t, json.Unmarshal(text, &got), "%s", text)
	}
	return got
}

func TestPolicy_OverHTTP_DecidesEveryRoute(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		call   call
		status int
		code   string
		served bool
	}{
		"an allow":               {call{agent: "agent-7", target: "GET /files/a"}, 200, "", true},
		"HEAD is bound with GET": {call{agent: "agent-7", target: "HEAD /files/a"}, 200, "", true},
		"a principal that the bundle does not know": {call{agent: "visitor", target: "GET /files/a"}, 403, "PERMISSION_DENIED", false},
		"a caller without a name":                   {call{target: "GET /files/a"}, 401, "AUTHENTICATION_FAILED", false},
		"a route that the bundle does not have":     {call{agent: "agent-7", target: "GET /forgotten"}, 403, "ROUTE_NOT_BOUND", false},
		"a method that the bundle does not have":    {call{agent: "agent-7", target: "PUT /files/a"}, 403, "ROUTE_NOT_BOUND", false},
		"a path value that fits no resource":        {call{agent: "agent-7", target: "GET /files/a%2Fb"}, 403, "INVALID_REQUEST", false},
		"an open route asks nobody":                 {call{target: "GET /healthz"}, 200, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFilesService(t)
			got := s.send(t, row.call)
			require.Equal(t, row.status, got.status)
			require.Equal(t, row.code, got.Code)
			require.Equal(t, row.served, len(s.served) == 1, s.served)
		})
	}
}

func TestPolicy_BudgetOverHTTP_IsGivenBackIfNothingWasDone(t *testing.T) {
	t.Parallel()
	s := newFilesService(t)
	require.Equal(t, http.StatusConflict, s.send(t, call{agent: "agent-7", target: "DELETE /files/locked"}).status)
	require.Equal(t, http.StatusOK, s.send(t, call{agent: "agent-7", target: "DELETE /files/a"}).status, "the handler did nothing the first time")

	got := s.send(t, call{agent: "agent-7", target: "DELETE /files/b"})
	require.Equal(t, http.StatusTooManyRequests, got.status)
	require.Equal(t, "BUDGET_EXCEEDED", got.Code)
	require.NotEmpty(t, got.retryAfter)
	require.Equal(t, http.StatusOK, s.send(t, call{agent: "agent-8", target: "DELETE /files/b"}).status, "the budget is counted for each principal")
	require.Equal(t, []string{"DELETE /files/locked", "DELETE /files/a", "DELETE /files/b"}, s.served)
}

func TestPolicy_UploadThatNeedsAPerson_PassesOnceWhenSentAgain(t *testing.T) {
	t.Parallel()
	s := newFilesService(t)
	upload := func(boundary, text, ticket string) call {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		require.NoError(t, form.SetBoundary(boundary))
		part, err := form.CreateFormFile("file", "report.txt")
		require.NoError(t, err)
		_, err = io.WriteString(part, text)
		require.NoError(t, err)
		require.NoError(t, form.Close())
		return call{agent: "agent-7", target: "POST /files/a", kind: form.FormDataContentType(), body: body.String(), ticket: ticket}
	}

	asked := s.send(t, upload("one", "all is well", ""))
	require.Equal(t, http.StatusForbidden, asked.status)
	require.Equal(t, string(aureus.ReasonHighRisk), asked.Code)
	id, poll := asked.Approval.ID, "GET "+asked.Approval.URL
	require.Equal(t, "GET /approvals/"+id, poll, "the service's own path, which the agent can reach")

	waiting := s.send(t, call{agent: "agent-7", target: poll})
	require.Equal(t, "pending", waiting.Status)
	require.NotEmpty(t, waiting.retryAfter)
	require.Equal(t, http.StatusNotFound, s.send(t, call{agent: "agent-8", target: poll}).status, "only who asked may see it")

	olga := s.plane.Operator("olga")
	approval, err := olga.Approval(t.Context(), id)
	require.NoError(t, err)
	_, err = olga.Approve(t.Context(), id, approval.ActionDigest, "")
	require.NoError(t, err)
	require.Equal(t, "approved", s.send(t, call{agent: "agent-7", target: poll}).Status)

	require.Equal(t, string(aureus.ReasonApprovalMismatch), s.send(t, upload("one", "all is bad", id)).Code)
	require.Empty(t, s.served)
	require.Equal(t, http.StatusOK, s.send(t, upload("two", "all is well", id)).status, "clients choose a new boundary each time")
	require.Equal(t, []string{"POST /files/a all is well"}, s.served)
	require.Equal(t, string(aureus.ReasonApprovalConsumed), s.send(t, upload("two", "all is well", id)).Code)
	require.Equal(t, "consumed", s.send(t, call{agent: "agent-7", target: poll}).Status)
	require.Len(t, s.served, 1)
}
