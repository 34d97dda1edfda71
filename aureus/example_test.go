package aureus_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/farmountain/aureus-go/aureus"
)

// A denial is an answer; only what could not be answered is an error.
func ExampleClient_Decide() {
	server := httptest.NewServer(jsonAnswer(200, `{"allowed":false,"reason":"the amount is above the limit","requires_human_approval":true,"approval_token":"apr_1"}`))
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

// Errors match a sentinel and carry what the server said.
func ExampleError() {
	server := httptest.NewServer(jsonAnswer(403, `{"error":"this key may not decide approvals","code":"ROLE_TOO_SMALL","remediation":"use an operator's key","request_id":"r-1"}`))
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
	// ROLE_TOO_SMALL - use an operator's key
}
