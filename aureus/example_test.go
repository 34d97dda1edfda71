package aureus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/farmountain/aureus-go/aureus"
)

// A denial is not an error. With an error there is no decision.
func ExampleClient_Decide() {
	server := httptest.NewServer(jsonResponse(200, `{"allowed":false,"reason":"the amount is above the limit","requires_human_approval":true,"approval_token":"apr_1"}`))
	defer server.Close()

	client, err := aureus.NewClient(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	decision, err := client.Decide(context.Background(), aureus.Request{
		Principal: aureus.Principal{ID: "agent-7", Type: "agent"},
		Action:    aureus.Action{ID: "transfer", Name: "Transfer money", RiskTier: aureus.TierHigh},
		Arguments: map[string]any{"to": "acme", "amount": 9000},
	})
	if err != nil {
		fmt.Println("not decided, so not done:", err)
		return
	}
	fmt.Println(decision.Effect, decision.Approval.ID)
	// Output: require_approval apr_1
}

// Errors match a sentinel and have the code and the remediation of the server.
func ExampleError() {
	server := httptest.NewServer(jsonResponse(403, `{"error":"this key may not decide approvals","code":"PERMISSION_DENIED","remediation":"use an operator's key","request_id":"r-1"}`))
	defer server.Close()
	client, err := aureus.NewClient(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	_, err = client.Approve(context.Background(), "apr_1", aureus.Digest{}, "looks right")
	fmt.Println(errors.Is(err, aureus.ErrForbidden))
	if e, ok := errors.AsType[*aureus.Error](err); ok {
		fmt.Println(e.Code, "-", e.Remediation)
	}
	// Output:
	// true
	// PERMISSION_DENIED - use an operator's key
}

// Spans in a form of your own are written into the request without a copy.
func ExampleClient_ReportSpansFunc() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Println(r.URL.Path)
		fmt.Println(string(body))
		jsonResponse(200, `{"accepted":2,"rejected":[]}`)(w, r)
	}))
	defer server.Close()
	client, err := aureus.NewClient(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = client.Close() }()

	names := []string{"read", "write"}
	err = client.ReportSpansFunc(context.Background(), len(names), func(b []byte, i int) ([]byte, error) {
		return fmt.Appendf(b, `{"id":"s%d","trace_id":"t","name":%q,"start_time":"2026-01-02T03:04:05Z"}`, i, names[i]), nil
	})
	fmt.Println(err)
	// Output:
	// /api/v1/observability/spans/batch
	// [{"id":"s0","trace_id":"t","name":"read","start_time":"2026-01-02T03:04:05Z"},{"id":"s1","trace_id":"t","name":"write","start_time":"2026-01-02T03:04:05Z"}]
	// <nil>
}
