package guard_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/idtext"
)

var (
	clerk = aureus.Principal{ID: "agent-7", Type: "agent", Permissions: []aureus.Permission{
		{Action: "read", Resource: "ledger"},
		{Action: "write", Resource: "ledger", DataZone: aureus.ZoneInternal},
	}}
	readBalance = aureus.Action{
		ID: "read-balance", Name: "Read a balance", RiskTier: aureus.TierLow,
		RequiredPermissions: []aureus.Permission{{Action: "read", Resource: "ledger"}},
	}
	closeBooks = aureus.Action{
		ID: "close-books", Name: "Close the books", RiskTier: aureus.TierMedium,
		RequiredPermissions: []aureus.Permission{{Action: "write", Resource: "ledger", DataZone: aureus.ZoneRestricted}},
	}
	transfer = aureus.Action{
		ID: "transfer", Name: "Transfer money", RiskTier: aureus.TierHigh,
		RequiredPermissions: []aureus.Permission{{Action: "write", Resource: "ledger"}},
	}
)

func ExampleCheck() {
	ctx := context.Background()
	var decider guard.Local // the zero value works

	if err := guard.Check(ctx, &decider, aureus.Request{Principal: clerk, Action: readBalance}); err != nil {
		fmt.Println(err)
	}
	if err := guard.Check(ctx, &decider, aureus.Request{Principal: clerk, Action: closeBooks}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// guard: close-books denied: missing permission: "write" on "ledger" is held, but for the data zone internal, and needed for restricted
}

func ExampleLocal() {
	ctx := context.Background()
	approvals := newMemoryApprovals() // in production a *aureus.Client or an embedded control plane
	decider := &guard.Local{Approvals: approvals}
	request := aureus.Request{Principal: clerk, Action: transfer, Arguments: map[string]any{"to": "acme", "amount": 5000}}

	first, _ := guard.Decide(ctx, decider, request)
	fmt.Println(first.Effect, first.ReasonCode)

	_ = approvals.decide(first.Approval.ID, "olga", aureus.ApprovalApproved) // done by an operator

	second, _ := guard.Decide(ctx, decider, request)
	fmt.Println(second.Effect, second.ReasonCode)

	third, _ := guard.Decide(ctx, decider, request)
	fmt.Println(third.Effect, third.ReasonCode)
	// Output:
	// require_approval HIGH_NEEDS_HUMAN_APPROVAL
	// allow APPROVED
	// require_approval HIGH_NEEDS_HUMAN_APPROVAL
}

func ExampleRefusal() {
	ctx := context.Background()
	decider := &guard.Local{Approvals: newMemoryApprovals()}
	err := guard.Check(ctx, decider, aureus.Request{Principal: clerk, Action: transfer})

	switch {
	case err == nil:
		fmt.Println("allowed")
	case errors.Is(err, guard.ErrApprovalRequired):
		if refusal, ok := errors.AsType[*guard.Refusal](err); ok {
			approval := refusal.Decision.Approval
			fmt.Println("try again when it is approved:", idtext.IsApproval(approval.ID), approval.Status)
		}
	case errors.Is(err, guard.ErrDenied):
		fmt.Println("denied")
	case errors.Is(err, guard.ErrUndecided):
		fmt.Println("try again later")
	}
	// Output: try again when it is approved: true pending
}
