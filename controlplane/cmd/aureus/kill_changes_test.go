package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/vocab"
)

const killOperator = "the-operator-of-this-test"

// acknowledgedChanges records what the server has acknowledged.
type acknowledgedChanges struct {
	mu         sync.Mutex
	decisions  map[aureus.DecisionID]bool
	approvals  map[string]aureus.ApprovalStatus
	validators map[string]bool
	spans      map[string]bool
	count      atomic.Int64
}

func newAcknowledgedChanges() *acknowledgedChanges {
	return &acknowledgedChanges{
		decisions: map[aureus.DecisionID]bool{}, approvals: map[string]aureus.ApprovalStatus{},
		validators: map[string]bool{}, spans: map[string]bool{},
	}
}

func (a *acknowledgedChanges) note(do func()) {
	a.mu.Lock()
	do()
	a.mu.Unlock()
	a.count.Add(1)
}

// Everything that a server has acknowledged under load from several clients
// survives when it is killed at any moment: decisions, approvals, audit log,
// validators and telemetry. AUREUS_KILL_ROUNDS is the number of rounds; 50 is
// the full test.
func TestAcknowledgedChanges_SurviveSIGKILL(t *testing.T) {
	rounds := killRounds(t)
	db := filepath.Join(t.TempDir(), "aureus.db")
	acks := newAcknowledgedChanges()
	for round := range rounds {
		before := acks.count.Load()
		killUnderLoad(t, db, round, acks)
		require.Greater(t, acks.count.Load(), before, "no request succeeded in round %d", round)
		compareFile(t, db, acks)
	}
	t.Logf("%d rounds, %d acknowledged: %d decisions, %d approvals, %d validators, %d spans",
		rounds, acks.count.Load(), len(acks.decisions), len(acks.approvals), len(acks.validators), len(acks.spans))
}

// killRounds returns how often a server is killed.
func killRounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("AUREUS_KILL_ROUNDS")
	if text == "" {
		return 3
	}
	rounds, err := strconv.Atoi(text)
	require.NoError(t, err)
	return rounds
}

// killUnderLoad starts the server, runs clients, and kills the server at a
// random moment.
func killUnderLoad(t *testing.T, db string, round int, acks *acknowledgedChanges) {
	t.Helper()
	server := start(t, []string{"AUREUS_OPERATOR_KEY=" + killOperator}, "serve", "--db", db, "--dev", "--addr", "127.0.0.1:0")

	ctx, stop := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() { work(ctx, server.url, fmt.Sprintf("r%d-w%d", round, worker), acks) })
	}
	target := acks.count.Load() + 50 + rand.Int64N(300)
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for acks.count.Load() < target {
		select {
		case <-tick.C:
			continue
		case <-deadline:
		}
		break
	}
	require.NoError(t, server.cmd.Process.Kill()) // SIGKILL
	require.Error(t, server.cmd.Wait())
	stop()
	workers.Wait()
}

// work makes all kinds of changes until the server is killed.
func work(ctx context.Context, listenAddress, name string, acks *acknowledgedChanges) {
	service, err := aureus.NewClient(listenAddress, aureus.WithAPIKey(""), aureus.WithRetry(aureus.RetryPolicies{Decisions: aureus.NoRetry, Changes: aureus.NoRetry, Reports: aureus.NoRetry}))
	if err != nil {
		return
	}
	defer func() { _ = service.Close() }()
	operator := service.With(aureus.WithAPIKey(killOperator))
	for n := 0; ctx.Err() == nil; n++ {
		id := fmt.Sprintf("%s-%d", name, n)
		request := aureus.Request{
			Principal: aureus.Principal{ID: id, Type: "agent"},
			Action:    aureus.Action{ID: "act", Name: "Act", RiskTier: aureus.TierLow},
		}
		decision, err := service.Decide(ctx, request)
		if err != nil {
			return
		}
		acks.note(func() { acks.decisions[decision.ID] = true })

		if err := service.ReportSpan(ctx, aureus.Span{ID: id, TraceID: "kill", Name: "n", StartTime: "2026-01-01T00:00:00Z"}); err != nil {
			return
		}
		acks.note(func() { acks.spans[id] = true })
		if n%4 != 0 {
			continue
		}

		request.Action.RiskTier = aureus.TierHigh
		keyedRequest, err := service.Decide(ctx, request)
		if err != nil {
			return
		}
		acks.note(func() {
			acks.decisions[keyedRequest.ID] = true
			acks.approvals[keyedRequest.Approval.ID] = aureus.ApprovalPending
		})
		if _, err := operator.Approve(ctx, keyedRequest.Approval.ID, keyedRequest.Digest, ""); err != nil {
			return
		}
		acks.note(func() { acks.approvals[keyedRequest.Approval.ID] = aureus.ApprovalApproved })
		used, err := service.Decide(ctx, request)
		if err != nil || used.Effect != aureus.Allow {
			return
		}
		acks.note(func() {
			acks.decisions[used.ID] = true
			acks.approvals[keyedRequest.Approval.ID] = aureus.ApprovalConsumed
		})
		if _, err := service.RegisterValidator(ctx, id, map[string]any{"type": "max_size", "parameters": map[string]any{"max": 10}}); err != nil {
			return
		}
		acks.note(func() { acks.validators[id] = true })
	}
}

var approvalRank = map[aureus.ApprovalStatus]int{aureus.ApprovalPending: 1, aureus.ApprovalApproved: 2, aureus.ApprovalConsumed: 3}

// compareFile opens the files of the killed server and compares them with what
// it acknowledged.
func compareFile(t *testing.T, db string, acks *acknowledgedChanges) {
	t.Helper()
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: db, Dev: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	site := httptest.NewServer(srv)
	defer site.Close()
	compare(t, srv.Operator("auditor"), clientFor(t, site.URL, ""), acks)
}

// compare checks that everything that was acknowledged is stored. Validators
// belong to the service that registered them.
func compare(t *testing.T, operator, service *aureus.Client, acks *acknowledgedChanges) {
	t.Helper()
	verified, err := operator.VerifyAudit(t.Context())
	require.NoError(t, err)
	require.True(t, verified.Valid, "%+v", verified)
	recorded := map[aureus.DecisionID]bool{}
	for entry, err := range operator.Audit(t.Context(), aureus.AuditQuery{}) {
		require.NoError(t, err)
		if entry.Kind == vocab.AuditDecision {
			recorded[entry.DecisionID] = true
		}
	}
	for id := range acks.decisions {
		require.True(t, recorded[id], "decision %s is lost", id)
	}

	statuses := map[string]aureus.ApprovalStatus{}
	for approval, err := range operator.Approvals(t.Context(), aureus.ApprovalQuery{}) {
		require.NoError(t, err)
		statuses[approval.ID] = approval.Status
	}
	for id, status := range acks.approvals {
		require.GreaterOrEqual(t, approvalRank[statuses[id]], approvalRank[status], "approval %s fell back to %q", id, statuses[id])
	}

	spans, err := operator.Trace(t.Context(), "kill")
	require.NoError(t, err)
	kept := map[string]bool{}
	for _, span := range spans {
		kept[span.ID] = true
	}
	for id := range acks.spans {
		require.True(t, kept[id], "span %s is lost", id)
	}
	for id := range acks.validators {
		require.NoError(t, service.Call(t.Context(), "GET", "/crv/validators/"+id, nil, nil), "validator %s is lost", id)
	}
}
