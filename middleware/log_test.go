package middleware_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// logged sends a request that is refused, and returns what was logged.
func logged(t *testing.T, decider guard.Decider, request aureus.Request, r *http.Request, status int) map[string]any {
	t.Helper()
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	mux := http.NewServeMux()
	mux.Handle("POST /accounts/{id}", middleware.Enforce(decider, about(request), middleware.Options{Logger: logger})(unreachable(t)))
	refusal(t, mux, r, status)
	var line map[string]any
	require.NoError(t, json.Unmarshal(log.Bytes(), &line), "one line: %s", log.String())
	require.NotContains(t, log.String(), "hunter2")
	delete(line, "time")
	return line
}

func posted(header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/accounts/hunter2?token=hunter2", strings.NewReader("hunter2"))
	r.Header.Set("Authorization", "Bearer hunter2")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

const (
	traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	traceOfIt   = "4bf92f3577b34da6a3ce929d0e0e4736"
)

func TestLogger_Denial_IsLoggedAtInfo(t *testing.T) {
	t.Parallel()
	decision := aureus.Decision{ID: aureus.NewDecisionID(time.Now()), Rule: "risk_tier", ReasonCode: aureus.ReasonPermissionDenied, Reason: "it lacks hunter2"}
	request := small
	request.OnBehalfOf, request.Tool, request.Arguments = "ann", "bank", map[string]any{"note": "hunter2"}
	require.Equal(t, map[string]any{
		"level": "INFO", "msg": "request refused", "status": 403.0, "code": "PERMISSION_DENIED", "decision_id": decision.ID.String(),
		"principal": "agent-7", "on_behalf_of": "ann", "action": "note.write", "tool": "bank", "rule": "risk_tier",
		"method": "POST", "pattern": "POST /accounts/{id}", "trace_id": traceOfIt,
	}, logged(t, saying(decision, nil), request, posted("Traceparent", traceparent), http.StatusForbidden))
}

func TestLogger_ApprovalRequired_NamesTheApproval(t *testing.T) {
	t.Parallel()
	approvals := &memoryApprovals{}
	line := logged(t, &guard.Local{Approvals: approvals}, large, posted(), http.StatusForbidden)
	require.Equal(t, "INFO", line["level"])
	for id := range approvals.all() {
		require.Equal(t, id, line["approval_id"])
	}
	require.NotContains(t, line, "trace_id")
}

func TestLogger_Undecided_IsLoggedAsAWarningWithItsCause(t *testing.T) {
	t.Parallel()
	line := logged(t, saying(aureus.Decision{}, errors.New("no route to host")), small, posted(), http.StatusServiceUnavailable)
	require.Equal(t, "WARN", line["level"])
	require.Equal(t, "UNDECIDED", line["code"])
	require.Contains(t, line["error"], "no route to host")
	require.Equal(t, "agent-7", line["principal"])
}

func TestLogger_RefusedBeforeTheDecision_HasADecisionID(t *testing.T) {
	t.Parallel()
	line := logged(t, allow, aureus.Request{}, posted(), http.StatusUnauthorized)
	require.Equal(t, "INFO", line["level"])
	require.Equal(t, "AUTHENTICATION_FAILED", line["code"])
	require.NotEmpty(t, line["decision_id"])
}

func TestLogger_LongNames_AreCut(t *testing.T) {
	t.Parallel()
	request := small
	request.Action.ID = strings.Repeat("é", 4000)
	line := logged(t, saying(aureus.Decision{}, nil), request, posted(), http.StatusForbidden)
	action, _ := line["action"].(string)
	require.LessOrEqual(t, len(action), 256+len("…"))
}

func TestLogger_InvalidTraceparent_IsIgnored(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{
		"short": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", "capitals": strings.ToUpper(traceparent),
		"no trace": "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "no parent": "00-" + traceOfIt + "-0000000000000000-01",
		"version ff": "ff" + traceparent[2:], "text after version 00": traceparent + "-x", "not hexadecimal": strings.Replace(traceparent, "4bf", "xyz", 1),
		"other dashes": strings.ReplaceAll(traceparent, "-", "_"), "a line break": strings.Replace(traceparent, "4bf", "\r\nx", 1),
	} {
		r := posted()
		r.Header["Traceparent"] = []string{header}
		require.NotContains(t, logged(t, saying(aureus.Decision{}, nil), small, r, http.StatusForbidden), "trace_id", name)
	}
	later := "01" + traceparent[2:] + "-more"
	require.Equal(t, traceOfIt, logged(t, saying(aureus.Decision{}, nil), small, posted("Traceparent", later), http.StatusForbidden)["trace_id"])
	twice := posted()
	twice.Header["Traceparent"] = []string{traceparent, traceparent}
	require.NotContains(t, logged(t, saying(aureus.Decision{}, nil), small, twice, http.StatusForbidden), "trace_id")
}
