package aureus_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
)

func sse(id int, workflow string) string {
	return fmt.Sprintf("id: %d\nevent: telemetry\ndata: {\"type\":\"custom\",\"timestamp\":\"t\",\ndata: \"workflow_id\":%q,\"data\":{}}\n\n", id, workflow)
}

func streamResponse(parts ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, part := range parts {
			_, _ = io.WriteString(w, part)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

func TestStream_ConnectionEnds_ContinuesAfterTheLastEvent(t *testing.T) {
	calls := 0
	server := record(t, func(w http.ResponseWriter, q *http.Request) {
		calls++
		switch calls {
		case 1:
			streamResponse(": hello\n\n", sse(1, "a"), sse(2, "b"))(w, q)
			panic(http.ErrAbortHandler)
		case 2:
			jsonResponse(503, `{}`)(w, q)
		case 3:
			streamResponse(sse(3, "c"))(w, q)
		default:
			jsonResponse(401, `{"error":"the key was revoked"}`)(w, q)
		}
	})
	seen := []string{}
	var last error
	for event, err := range newClient(t, server.URL).Stream(t.Context(), aureus.StreamQuery{Kinds: []string{"telemetry", "decision"}, LastEventID: "0", Principal: "p"}) {
		if err != nil {
			last = err
			continue
		}
		seen = append(seen, event.ID+event.Telemetry.WorkflowID)
	}
	require.Equal(t, []string{"1a", "2b", "3c"}, seen)
	require.ErrorIs(t, last, aureus.ErrUnauthenticated)
	resumed := []string{}
	for _, r := range server.all() {
		resumed = append(resumed, r.header.Get("Last-Event-ID"))
		require.Equal(t, "kinds=telemetry%2Cdecision&principal=p", r.query)
		require.Equal(t, "text/event-stream", r.header.Get("Accept"))
	}
	require.Equal(t, []string{"0", "2", "2", "3"}, resumed)
}

// A stream continues after an id that came without an event, and yields a reset.
func TestStream_IDsAndResets_SetWhereItContinues(t *testing.T) {
	calls := 0
	server := record(t, func(w http.ResponseWriter, q *http.Request) {
		calls++
		switch calls {
		case 1:
			streamResponse(": hello\nid: 5\n\n", ":\nid: 7\n\n")(w, q)
		case 2:
			streamResponse("id: 0-0-x\nevent: reset\ndata: {\"reason\":\"another database\"}\n\n")(w, q)
		default:
			jsonResponse(401, `{"error":"the key was revoked"}`)(w, q)
		}
	})
	seen := []aureus.StreamEvent{}
	for event, err := range newClient(t, server.URL).Stream(t.Context(), aureus.StreamQuery{LastEventID: "1"}) {
		if err == nil {
			seen = append(seen, event)
		}
	}
	require.Equal(t, []aureus.StreamEvent{{ID: "0-0-x", Kind: vocab.StreamReset}}, seen)
	resumed := []string{}
	for _, r := range server.all() {
		resumed = append(resumed, r.header.Get("Last-Event-ID"))
	}
	require.Equal(t, []string{"1", "7", "0-0-x"}, resumed)
}

func TestStream_FinalErrors_EndIt(t *testing.T) {
	for name, test := range map[string]struct {
		response http.HandlerFunc
		is       error
	}{
		"another content type":        {jsonResponse(200, `[]`), aureus.ErrMalformed},
		"an unknown kind":             {streamResponse("event: surprise\ndata: {}\n\n"), aureus.ErrMalformed},
		"no event":                    {streamResponse("event: telemetry\ndata: {}\n\n"), aureus.ErrMalformed},
		"duplicate names":             {streamResponse("event: decision\ndata: {\"sequence\":1,\"sequence\":2}\n\n"), aureus.ErrMalformed},
		"an event without end":        {streamResponse("data: " + strings.Repeat("x", 5<<20)), aureus.ErrMalformed},
		"many lines of data":          {streamResponse(strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 5)), aureus.ErrMalformed},
		"a role that may not do this": {jsonResponse(403, `{}`), aureus.ErrForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			server := record(t, test.response)
			count := 0
			for _, err := range newClient(t, server.URL).Stream(t.Context(), aureus.StreamQuery{}) {
				require.ErrorIs(t, err, test.is)
				count++
			}
			require.Equal(t, 1, count)
		})
	}
	t.Run("by the caller's context", func(t *testing.T) {
		server := record(t, func(w http.ResponseWriter, q *http.Request) {
			streamResponse(sse(1, "a"))(w, q)
			<-q.Context().Done()
		})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for _, err := range newClient(t, server.URL).Stream(ctx, aureus.StreamQuery{}) {
			last = err
			cancel()
		}
		require.ErrorIs(t, last, context.Canceled)
	})
	t.Run("by the caller while it waits to connect again", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		server := record(t, func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Retry-After", "3600")
			jsonResponse(503, `{}`)(w, q)
		})
		client := newClient(t, server.URL, aureus.WithAttemptObserver(func(context.Context, aureus.Attempt) { cancel() }))
		for _, err := range client.Stream(ctx, aureus.StreamQuery{}) {
			require.ErrorIs(t, err, context.Canceled)
			require.ErrorIs(t, err, aureus.ErrUnavailable)
		}
	})
	t.Run("by the caller, at the moment when the server ends it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		server := record(t, streamResponse(": hello\n\n"))
		client := newClient(t, server.URL, aureus.WithAttemptObserver(func(context.Context, aureus.Attempt) { cancel() }))
		count := 0
		for _, err := range client.Stream(ctx, aureus.StreamQuery{}) {
			require.ErrorIs(t, err, context.Canceled)
			count++
		}
		require.Equal(t, 1, count)
	})
	t.Run("before it begins, with an invalid id", func(t *testing.T) {
		server := record(t, streamResponse(sse(1, "a")))
		for _, err := range newClient(t, server.URL).Stream(t.Context(), aureus.StreamQuery{LastEventID: "1\n2"}) {
			require.ErrorIs(t, err, aureus.ErrInvalid)
		}
		require.Empty(t, server.all())
	})
	t.Run("by the caller's break", func(t *testing.T) {
		server := record(t, func(w http.ResponseWriter, q *http.Request) {
			streamResponse(sse(1, "a"), sse(2, "b"))(w, q)
			<-q.Context().Done()
		})
		for _, err := range newClient(t, server.URL).Stream(t.Context(), aureus.StreamQuery{}) {
			require.NoError(t, err)
			break
		}
		require.Len(t, server.all(), 1)
	})
}

// A stream that the server closes is not a failure of the server, and an event without an
// id does not change where the stream continues.
func TestStream_ServerEndsIt_IsNoFailure(t *testing.T) {
	calls := 0
	server := record(t, func(w http.ResponseWriter, q *http.Request) {
		calls++
		switch {
		case strings.HasSuffix(q.URL.Path, "/x"):
			jsonResponse(200, `{}`)(w, q)
		case calls == 1:
			streamResponse(sse(7, "a"), "id: 8\x01\n\n")(w, q)
		case calls < 5:
			streamResponse(strings.TrimPrefix(sse(0, "b"), "id: 0\n"))(w, q)
		default:
			jsonResponse(401, `{}`)(w, q)
		}
	})
	client := newClient(t, server.URL, aureus.WithBreaker(aureus.BreakerPolicy{Failures: 1, Cooldown: time.Hour}))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // in case it does not end by itself
	defer cancel()
	ids := []string{}
	for event, err := range client.Stream(ctx, aureus.StreamQuery{}) {
		if err == nil {
			ids = append(ids, event.ID)
			require.NoError(t, client.Call(t.Context(), "GET", "/x", nil, nil))
		}
	}
	require.NoError(t, ctx.Err())
	require.Equal(t, []string{"7", "7"}, ids[:2])
	for _, r := range server.all()[1:] {
		if strings.HasSuffix(r.path, "/stream") {
			require.Equal(t, "7", r.header.Get("Last-Event-ID"))
		}
	}
}

// The client's timeout does not end a stream without events.
func TestStream_NoEventsForLong_StaysConnected(t *testing.T) {
	server := record(t, func(w http.ResponseWriter, q *http.Request) {
		streamResponse(": hello\n\n")(w, q)
		select {
		case <-time.After(400 * time.Millisecond): // the time without events
		case <-q.Context().Done():
		}
		streamResponse(sse(1, "a"))(w, q)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for event, err := range newClient(t, server.URL, aureus.WithTimeout(50*time.Millisecond)).Stream(ctx, aureus.StreamQuery{}) {
		require.NoError(t, err)
		require.Equal(t, "1", event.ID)
		break
	}
	require.Len(t, server.all(), 1)
}
