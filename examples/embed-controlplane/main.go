// Embed-controlplane runs a control plane inside the process. An agent requests a
// risky action, a person approves it, and the action is allowed once.
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/guard"
)

func main() {
	ctx := context.Background()
	server, err := controlplane.Open(ctx, controlplane.Config{Ephemeral: true}) // to store data in a file: DB: "aureus.db"
	if err != nil {
		panic(err)
	}
	defer func() { _ = server.Close() }()

	decider := server.Client() // calls the control plane without a network connection
	request := aureus.Request{
		Principal: aureus.Principal{ID: "agent-7", Type: "agent", Permissions: []aureus.Permission{{Action: "delete", Resource: "records", Intent: aureus.IntentDelete}}},
		Action: aureus.Action{
			ID: "records.delete", Name: "Delete records", RiskTier: aureus.TierCritical, Intent: aureus.IntentDelete,
			RequiredPermissions: []aureus.Permission{{Action: "delete", Resource: "records"}},
		},
		Arguments: map[string]any{"older_than_days": 365},
	}

	err = guard.Check(ctx, decider, request)
	var refusal *guard.Refusal
	if !errors.As(err, &refusal) || !errors.Is(err, guard.ErrApprovalRequired) {
		panic(err)
	}
	fmt.Println("not yet:", refusal.Decision.Effect)

	person := server.Operator("olga")
	approval, err := person.Approval(ctx, refusal.Decision.Approval.ID)
	if err != nil {
		panic(err)
	}
	if _, err := person.Approve(ctx, approval.ID, approval.ActionDigest, "the backup is done"); err != nil {
		panic(err)
	}

	fmt.Println("approved, first time:", guard.Check(ctx, decider, request))
	fmt.Println("approved, second time:", errors.Is(guard.Check(ctx, decider, request), guard.ErrApprovalRequired))
}
