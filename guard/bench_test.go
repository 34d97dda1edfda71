package guard_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
)

// tenHeldOneRequired is a request of a principal that holds ten permissions, with
// intents and data zones. The action requires the last of them.
func tenHeldOneRequired() aureus.Request {
	request := tenHeldTwoRequired()
	request.Action.RequiredPermissions = request.Action.RequiredPermissions[1:]
	return request
}

func tenHeldTwoRequired() aureus.Request {
	var held []aureus.Permission
	for i := range 8 {
		held = append(held, aureus.Permission{Action: "read", Resource: fmt.Sprintf("table-%d", i), Intent: aureus.IntentRead, DataZone: aureus.ZoneInternal})
	}
	required := []aureus.Permission{
		{Action: "read", Resource: "table-8", Intent: aureus.IntentRead, DataZone: aureus.ZoneInternal},
		{Action: "read", Resource: "table-9", Intent: aureus.IntentRead, DataZone: aureus.ZoneInternal},
	}
	return aureus.Request{
		Principal: aureus.Principal{ID: "agent-1", Type: "agent", Permissions: append(held, required...)},
		Action:    aureus.Action{ID: "look", Name: "Look", RiskTier: aureus.TierMedium, RequiredPermissions: required, AllowedTools: []string{"curl", "psql"}},
		Tool:      "psql",
	}
}

func denied() aureus.Request {
	request := tenHeldOneRequired()
	request.Action.RequiredPermissions = []aureus.Permission{{Action: "write", Resource: "table-9", DataZone: aureus.ZoneRestricted}}
	return request
}

func TestDecide_Allow_AllocatesNothing(t *testing.T) {
	decider := &guard.Local{Approvals: newMemoryApprovals()}
	ctx := context.Background()
	allocations := func(request aureus.Request, want aureus.Effect) float64 {
		return testing.AllocsPerRun(100, func() {
			decision, err := guard.Decide(ctx, decider, request)
			if err != nil || decision.Effect != want {
				t.Fatal(decision, err)
			}
		})
	}
	withMetadata := tenHeldOneRequired()
	withMetadata.Action.Metadata = map[string]any{"workflowId": "w", "taskId": "t", "tool_name": "psql"}
	withConditions := tenHeldOneRequired()
	withConditions.Action.RequiredPermissions[0].Conditions = map[string]any{"region": "eu"}
	withConditions.Principal.Permissions[9].Conditions = map[string]any{"region": "eu"}

	require.Zero(t, allocations(tenHeldOneRequired(), aureus.Allow), "an allow")
	require.Zero(t, allocations(tenHeldTwoRequired(), aureus.Allow), "an allow with two required")
	require.Zero(t, allocations(withMetadata, aureus.Allow), "an allow with metadata")
	require.Zero(t, allocations(withConditions, aureus.Allow), "an allow with conditions")
	require.LessOrEqual(t, allocations(denied(), aureus.Deny), 2.0, "a missing permission")

	otherTool := tenHeldOneRequired()
	otherTool.Tool = "sh"
	require.LessOrEqual(t, allocations(otherTool, aureus.Deny), 2.0, "a tool that is not allowed")
	unknownZone := tenHeldOneRequired()
	unknownZone.Principal.Permissions[9].DataZone = "lobby"
	require.LessOrEqual(t, allocations(unknownZone, aureus.Deny), 2.0, "an unknown data zone")
}

func benchmark(b *testing.B, decider guard.Decider, request aureus.Request, want aureus.Effect) {
	b.Helper()
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		decision, err := decider.Decide(ctx, request)
		if err != nil || decision.Effect != want {
			b.Fatal(decision, err)
		}
	}
}

func BenchmarkLocalAllow(b *testing.B) {
	benchmark(b, &guard.Local{}, tenHeldOneRequired(), aureus.Allow)
}

func BenchmarkLocalAllowTwoRequired(b *testing.B) {
	benchmark(b, &guard.Local{}, tenHeldTwoRequired(), aureus.Allow)
}

func BenchmarkLocalAllowThroughCheck(b *testing.B) {
	decider, request, ctx := &guard.Local{}, tenHeldOneRequired(), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if err := guard.Check(ctx, decider, request); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLocalAllowWithMetadata(b *testing.B) {
	request := tenHeldOneRequired()
	request.Action.Metadata = map[string]any{"workflowId": "w", "taskId": "t", "tool_name": "psql"}
	benchmark(b, &guard.Local{}, request, aureus.Allow)
}

func BenchmarkLocalDeny(b *testing.B) { benchmark(b, &guard.Local{}, denied(), aureus.Deny) }

func BenchmarkLocalAllowParallel(b *testing.B) {
	decider, request, ctx := &guard.Local{}, tenHeldOneRequired(), b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if decision, err := decider.Decide(ctx, request); err != nil || decision.Effect != aureus.Allow {
				b.Error(decision, err)
			}
		}
	})
}

// BenchmarkLocalHighRiskPending joins a pending approval. The digest is computed
// twice, by the decider and by the Approvals; no approval is used.
func BenchmarkLocalHighRiskPending(b *testing.B) {
	request := fullRequest()
	request.Principal.Permissions = nil
	request.Action.RequiredPermissions = nil
	benchmark(b, &guard.Local{Approvals: newMemoryApprovals(), Volatile: request.Volatile}, request, aureus.RequireApproval)
}

// BenchmarkLocalHighRiskApproved opens an approval, approves it and uses it in
// each iteration.
func BenchmarkLocalHighRiskApproved(b *testing.B) {
	d := newMemoryApprovals()
	decider, request, ctx := &guard.Local{Approvals: d}, transferOf(1), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		first, err := decider.Decide(ctx, request)
		if err != nil {
			b.Fatal(err)
		}
		if err := d.decide(first.Approval.ID, "olga", aureus.ApprovalApproved); err != nil {
			b.Fatal(err)
		}
		second, err := decider.Decide(ctx, request)
		if err != nil || second.Effect != aureus.Allow {
			b.Fatal(second, err)
		}
		clear(d.approvals)
		d.asked, d.used = d.asked[:0], d.used[:0]
	}
}

func BenchmarkDigest(b *testing.B) {
	request := fullRequest()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := guard.Digest("", request); err != nil {
			b.Fatal(err)
		}
	}
}
