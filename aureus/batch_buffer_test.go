package aureus_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// earlyTransport responds to a batch before it has read the whole body, as an
// [http.RoundTripper] may, and reads the rest when the test allows it.
type earlyTransport struct {
	items int // of each batch
	wg    sync.WaitGroup

	mu     sync.Mutex
	waits  []chan struct{}
	bodies []string // whole bodies, by request
}

func (e *earlyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	wait, i := make(chan struct{}), len(e.waits)
	e.waits, e.bodies = append(e.waits, wait), append(e.bodies, "")
	first := make([]byte, 16) // a part is read before the response
	n, err := io.ReadFull(r.Body, first)
	e.wg.Go(func() {
		<-wait
		rest, restErr := io.ReadAll(r.Body)
		closeErr := r.Body.Close()
		e.mu.Lock()
		defer e.mu.Unlock()
		e.bodies[i] = string(first[:n]) + string(rest)
		if err != nil || restErr != nil || closeErr != nil {
			e.bodies[i] += fmt.Sprint(err, restErr, closeErr)
		}
	})
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Request: r, ContentLength: -1,
		Body: io.NopCloser(bytes.NewReader(fmt.Appendf(nil, `{"accepted":%d,"rejected":[]}`, e.items))),
	}, nil
}

// The buffer of a batch is reused only after the transport has closed the body, which may
// be after the response.
func TestBatch_TransportStillReads_BufferIsNotReused(t *testing.T) {
	const items, rounds = 3, 20
	transport := &earlyTransport{items: items}
	client := newClient(t, "http://localhost", aureus.WithHTTPClient(&http.Client{Transport: transport}))
	report := func(round int) {
		metrics := make([]aureus.Metric, items)
		for i := range metrics {
			metrics[i] = aureus.Metric{Name: strings.Repeat(string(rune('a'+round)), 200), Timestamp: "t"}
		}
		require.NoError(t, client.ReportMetrics(t.Context(), metrics))
	}
	for round := range rounds { // a round may reuse the buffer of an earlier one
		report(round)
	}
	for _, wait := range transport.waits {
		close(wait)
	}
	transport.wg.Wait()
	require.Len(t, transport.bodies, rounds)
	for round, body := range transport.bodies {
		item := `{"name":"` + strings.Repeat(string(rune('a'+round)), 200) + `","value":0,"timestamp":"t"}`
		require.Equal(t, "["+item+","+item+","+item+"]", body)
	}
}
