package aureus_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
)

func TestRecorder_Records_AreAllSent(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	server := record(t, batchServer(func(map[string]any) string { return "" }))
	client := newClient(t, server.URL)
	recorder := client.NewRecorder()
	for range 700 {
		decision := aureus.Decision{ID: aureus.NewDecisionID(time.Now()), Effect: aureus.Allow}
		recorder.RecordDecision(t.Context(), decision)
		recorder.RecordOutcome(t.Context(), aureus.Outcome{DecisionID: decision.ID, Status: vocab.OutcomeSuccess})
	}
	recorder.RecordOutcome(t.Context(), aureus.Outcome{Status: vocab.OutcomeRefused}) // without a decision
	require.NoError(t, recorder.Close(t.Context()))
	require.NoError(t, recorder.Close(t.Context()))

	decisions, outcomes := 0, 0
	for _, r := range server.all() {
		if strings.HasSuffix(r.path, "/audit/records/batch") {
			decisions += strings.Count(r.body, `"decision_id"`)
		} else {
			outcomes += strings.Count(r.body, `"decision_id"`)
		}
	}
	require.Equal(t, []int{700, 700}, []int{decisions, outcomes})
	require.Zero(t, recorder.Dropped())
	recorder.RecordDecision(t.Context(), aureus.Decision{})
	require.EqualValues(t, 1, recorder.Dropped(), "after Close records are dropped")
	require.NoError(t, client.Close())
	server.Close()
}

func TestRecorder_QueueIsFull_DropsAndEnds(t *testing.T) {
	entered := make(chan struct{}, 1)
	server := record(t, func(_ http.ResponseWriter, q *http.Request) {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-q.Context().Done()
	})
	recorder := newClient(t, server.URL).NewRecorder()
	id := aureus.NewDecisionID(time.Now())
	recorder.RecordOutcome(t.Context(), aureus.Outcome{DecisionID: id})
	<-entered // the sender blocks until the end of the test
	for range 5000 {
		recorder.RecordOutcome(t.Context(), aureus.Outcome{DecisionID: id})
	}
	require.EqualValues(t, 5000-4096, recorder.Dropped())

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, recorder.Close(ctx), context.DeadlineExceeded)
	require.EqualValues(t, 5001, recorder.Dropped(), "records that could not be sent are counted")
}
