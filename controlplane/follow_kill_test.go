package controlplane_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// The environment of a process that decides with a spool until it is killed.
const (
	spoolingURL    = "AUREUS_TEST_SPOOLING_URL"
	spoolingKey    = "AUREUS_TEST_SPOOLING_KEY"
	spoolingFolder = "AUREUS_TEST_SPOOLING_FOLDER"
)

// decideUntilKilled prints the id of each decision after Decide has returned it, and prints
// it once more, behind a plus sign, after its outcome was recorded. The first decision is
// made by the control plane, which counts a budget.
func decideUntilKilled(url string) error {
	c, err := aureus.NewClient(url, aureus.WithAPIKey(os.Getenv(spoolingKey)))
	if err != nil {
		return err
	}
	f, err := policy.Follow(context.Background(), c, "", policy.FollowConfig{Spool: os.Getenv(spoolingFolder)})
	if err != nil {
		return err
	}
	for request := ledgerPayment("acme", 1); ; request = readAccount() {
		decision, err := f.Decide(context.Background(), request)
		if err != nil || decision.Effect != aureus.Allow {
			return fmt.Errorf("%v: %w", decision, err)
		}
		if _, err := fmt.Println(decision.ID); err != nil {
			return err
		}
		f.RecordOutcome(context.Background(), aureus.Outcome{DecisionID: decision.ID, Status: vocab.OutcomeSuccess})
		if _, err := fmt.Println("+" + decision.ID.String()); err != nil {
			return err
		}
	}
}

// Every allowed decision that a process has returned before kill -9 gets into the audit
// log, whether the control plane was up or down at that time, and so does every outcome
// that it has recorded, after its decision.
func TestFollow_ProcessKilled_LosesNoDecisionAndNoOutcome(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	p.put(t, ledgerBundle(1))
	key := newKey(t, p.server, controlplane.RoleService, "spooling")
	folder := t.TempDir()
	returned, closed := map[string]bool{}, map[string]bool{}
	note := func(line string) {
		if id, isOutcome := strings.CutPrefix(line, "+"); isOutcome {
			closed[id] = true
		} else {
			returned[id] = true
		}
	}
	for round, count := range []int{50, 400, 1200} {
		p.on()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), spoolingURL+"="+p.url, spoolingKey+"="+key, spoolingFolder+"="+folder)
		cmd.Stderr = os.Stderr
		stdout, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewScanner(stdout)
		for n := 0; n < 2*count && lines.Scan(); n++ {
			note(lines.Text())
			if n == 1 && round%2 == 0 {
				p.off()
			}
		}
		require.NoError(t, cmd.Process.Kill())
		for lines.Scan() { // what it had printed before
			if id := strings.TrimPrefix(lines.Text(), "+"); len(id) == len(aureus.DecisionID{1}.String()) {
				note(lines.Text())
			}
		}
		require.Error(t, cmd.Wait())
	}
	require.GreaterOrEqual(t, len(returned), 1650)
	require.GreaterOrEqual(t, len(closed), 1650)

	p.on()
	p.service = p.connect(t, key) // records that were sent already are accepted from the same subject
	f := p.follow(t, "", policy.FollowConfig{Spool: folder})
	eventually(t, func() bool { return f.Stats().Spooled == 0 }, "the spool")
	require.NoError(t, f.Close(t.Context()))
	require.Zero(t, f.Stats().Dropped)
	for entry, err := range p.operator.Audit(t.Context(), aureus.AuditQuery{Principal: "clerk"}) {
		require.NoError(t, err)
		switch entry.Kind {
		case vocab.AuditDecision:
			delete(returned, entry.DecisionID.String())
		case vocab.AuditOutcome:
			require.Nil(t, entry.Details["early"], "an outcome before its decision")
			delete(closed, entry.DecisionID.String())
		}
	}
	require.Empty(t, returned, "decisions that were returned, and are not in the audit log")
	require.Empty(t, closed, "outcomes that were recorded, and are not in the audit log")
}
