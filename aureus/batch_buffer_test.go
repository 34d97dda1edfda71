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

// earlyTransport answers a batch before it has read it, as a transport may
// ([http.RoundTripper]), and reads the body when it is told to.
type earlyTransport struct {
	items int // of each batch
	wg    sync.WaitGroup

	mu     sync.Mutex
	waits  []chan struct{}
	bodies []string // as they were read in the end, by request
}

func (e *earlyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	wait, i := make(chan struct{}), len(e.waits)
	e.waits, e.bodies = append(e.waits, wait), append(e.bodies, "")
	first := make([]byte, 16) // a part is read before the answer
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

// A batch's buffer is used for the next one only once the transport has closed
// the body, be the answer there or not.
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
	for round := range rounds { // each may take the buffer of one before
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
