package controlplane_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/guard"
)

// A control plane in the process of the service that uses it.
func Example() {
	ctx := context.Background()
	srv, err := controlplane.Open(ctx, controlplane.Config{Ephemeral: true}) // DB: "aureus.db" to keep it
	if err != nil {
		panic(err)
	}
	defer func() { _ = srv.Close() }()

	request := aureus.Request{
		Principal: aureus.Principal{ID: "agent-7", Type: "agent"},
		Action:    aureus.Action{ID: "close-account", Name: "Close an account", RiskTier: aureus.TierHigh},
		Arguments: map[string]any{"account": "4711"},
	}
	fmt.Println(guard.Check(ctx, srv.Client(), request) == nil)

	// A person reads the request and decides.
	alice := srv.Operator("alice")
	for approval, err := range alice.Approvals(ctx, aureus.ApprovalQuery{Status: aureus.ApprovalPending}) {
		if err != nil {
			panic(err)
		}
		fmt.Println(approval.Principal.ID, "asks for", approval.Action.ID, approval.Arguments)
		if _, err := alice.Approve(ctx, approval.ID, approval.ActionDigest, "the customer called"); err != nil {
			panic(err)
		}
	}

	fmt.Println(guard.Check(ctx, srv.Client(), request) == nil, "once")
	fmt.Println(guard.Check(ctx, srv.Client(), request) == nil, "again")
	// Output:
	// false
	// agent-7 asks for close-account map[account:4711]
	// true once
	// false again
}

// The server is an http.Handler: serve it and create keys for its clients.
func ExampleServer() {
	ctx := context.Background()
	srv, err := controlplane.Open(ctx, controlplane.Config{Ephemeral: true})
	if err != nil {
		panic(err)
	}
	defer func() { _ = srv.Close() }()
	_, secret, err := srv.Keys().Add(ctx, "setup", controlplane.Key{
		Subject: "ledger", Role: controlplane.RoleService, SpeaksFor: []string{controlplane.Everyone},
	})
	if err != nil {
		panic(err)
	}

	mux := http.NewServeMux()
	mux.Handle("/aureus/", http.StripPrefix("/aureus", srv))
	listening := httptest.NewServer(mux)
	defer listening.Close()

	client, err := aureus.NewClient(listening.URL+"/aureus", aureus.WithAPIKey(secret))
	if err != nil {
		panic(err)
	}
	defer func() { _ = client.Close() }()
	ok, err := client.CheckPermission(ctx, aureus.Principal{ID: "agent-7", Type: "agent"},
		aureus.Action{ID: "look", Name: "Look", RiskTier: aureus.TierLow})
	fmt.Println(ok, err)
	// Output: true <nil>
}

// A subject cannot decide its own request.
func ExampleServer_Operator() {
	ctx := context.Background()
	srv, err := controlplane.Open(ctx, controlplane.Config{Ephemeral: true})
	if err != nil {
		panic(err)
	}
	defer func() { _ = srv.Close() }()
	decision, err := srv.Client().Decide(ctx, aureus.Request{
		Principal: aureus.Principal{ID: "alice", Type: "human"},
		Action:    aureus.Action{ID: "pay", Name: "Pay", RiskTier: aureus.TierCritical},
	})
	if err != nil {
		panic(err)
	}
	_, err = srv.Operator("alice").Approve(ctx, decision.Approval.ID, decision.Digest, "")
	fmt.Println(err != nil)
	approval, err := srv.Operator("bob").Approve(ctx, decision.Approval.ID, decision.Digest, "")
	fmt.Println(approval.Status, err)

	verification, err := srv.Operator("bob").VerifyAudit(ctx)
	fmt.Println(verification.Valid, verification.Entries, err)
	// Output:
	// true
	// approved <nil>
	// true 3 <nil>
}
