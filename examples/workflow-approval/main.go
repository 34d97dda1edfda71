// Workflow-approval runs a workflow on a control plane in the process. The payment needs
// a person's approval, and is compensated when a later task fails.
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// say returns a tool that only prints what it would do. A real tool must also observe
// ctx and call.IdempotencyKey.
func say(tier aureus.PolicyRiskTier, text string) controlplane.Tool {
	return controlplane.Tool{RiskTier: tier, Run: func(_ context.Context, call controlplane.ToolCall) (any, error) {
		fmt.Println("  "+text, call.Inputs["order"])
		return map[string]any{"done": call.Tool}, nil
	}}
}

var tools = map[string]controlplane.Tool{
	"reserve": say(aureus.TierLow, "reserve the goods of"),
	"release": say(aureus.TierLow, "release the goods of"),
	"pay":     say(aureus.TierHigh, "take the money for"),
	"refund":  say(aureus.TierHigh, "give the money back for"),
	"ship": {RiskTier: aureus.TierLow, Run: func(_ context.Context, call controlplane.ToolCall) (any, error) {
		fmt.Println("  ship, attempt", call.Attempt)
		return nil, errors.New("the carrier takes no parcels today")
	}},
}

var order = map[string]any{"order": "A-17"}

var spec = aureus.WorkflowSpec{
	ID: "order-A-17", Name: "Sell and ship",
	Tasks: []aureus.TaskSpec{
		{
			ID: "reserve", Name: "Reserve the goods", Type: "action", ToolName: "reserve", Inputs: order,
			CompensationAction: &aureus.CompensationAction{Tool: "release", Args: order},
		},
		{
			ID: "pay", Name: "Take the money", Type: "action", ToolName: "pay", Inputs: order, RiskTier: "HIGH",
			RequiredPermissions: []aureus.Permission{{Action: "charge", Resource: "card"}},
			CompensationAction:  &aureus.CompensationAction{Tool: "refund", Args: order},
		},
		{
			ID: "ship", Name: "Ship the goods", Type: "action", ToolName: "ship", Inputs: order,
			Retry: &aureus.RetryConfig{MaxAttempts: 2, BackoffMS: 10},
		},
	},
	Dependencies: map[string][]string{"pay": {"reserve"}, "ship": {"pay"}},
}

func main() {
	if err := run(context.Background()); err != nil {
		panic(err)
	}
}

func run(ctx context.Context) error {
	server, err := controlplane.Open(ctx, controlplane.Config{Ephemeral: true, Tools: tools})
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	client := server.Client()
	// The principal that the tasks run for, and its permissions.
	principal := aureus.WithRunContext(map[string]any{
		"principal_id":          "agent-7",
		"principal_permissions": []any{map[string]any{"action": "charge", "resource": "card"}},
	})

	result, err := client.ExecuteWorkflow(ctx, spec, principal)
	if err != nil {
		return err
	}
	tell("started", result)

	// A person lists the pending approvals and approves them.
	person := server.Operator("olga")
	for _, pending := range result.PendingApprovals {
		approval, err := person.Approval(ctx, pending.ApprovalToken)
		if err != nil {
			return err
		}
		fmt.Println("olga approves", pending.TaskID)
		if _, err := person.Approve(ctx, approval.ID, approval.ActionDigest, "the customer is known"); err != nil {
			return err
		}
	}

	// The run continues without another call. Executing the same workflow again waits
	// until the run ends.
	result, err = client.ExecuteWorkflow(ctx, spec, principal)
	if err != nil {
		return err
	}
	tell("ended", result)
	return nil
}

func tell(moment string, result aureus.WorkflowExecutionResult) {
	fmt.Println(moment+":", result.Status, result.Error)
	for _, task := range spec.Tasks {
		r := result.TaskResults[task.ID]
		undone := ""
		if r.Compensated {
			undone = ", undone"
		}
		fmt.Printf("  %s: %s%s\n", task.ID, r.Status, undone)
	}
}
