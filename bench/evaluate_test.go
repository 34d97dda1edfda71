package bench

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// BenchmarkEvaluatePolicy compares EvaluatePolicy over the loopback interface with a
// plain POST of the same body by net/http, both with a key and a timeout. An op is one
// call of each. cpu-ratio is the processor time of EvaluatePolicy divided by that of the
// plain POST; both include the processor time of the server.
func BenchmarkEvaluatePolicy(b *testing.B) {
	const path = "/api/v1/policy/evaluate"
	response := []byte(`{"allowed":true,"reason":"low risk","requires_human_approval":false,"decision_id":"dec_00000000000000000000000001","effect":"allow","reason_code":"LOW_RISK_ALLOWED","rule":"risk_tier","policy_version":"goal-guard/1","claimed":true}`)
	var body []byte // of the latest request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if body == nil {
			body, err = io.ReadAll(r.Body)
		} else {
			_, err = io.Copy(io.Discard, r.Body)
		}
		if err != nil || r.URL.Path != path || r.Header.Get("Authorization") != "Bearer k" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(response)
	}))
	defer server.Close()

	request := aureus.PolicyContext{
		Principal: aureus.Principal{ID: "agent-7", Type: "agent", Permissions: []aureus.Permission{{Action: "read", Resource: "accounts", Intent: aureus.IntentRead}, {Action: "write", Resource: "accounts", Intent: aureus.IntentWrite}}},
		Action:    aureus.Action{ID: "transfer", Name: "Transfer", RiskTier: aureus.TierLow, RequiredPermissions: []aureus.Permission{{Action: "write", Resource: "accounts"}}},
		Arguments: map[string]any{"from": "acme", "to": "zeta", "amount": 120},
	}
	client := connect(b, server.URL, aureus.WithAPIKey("k"))
	ask := func() error {
		_, err := client.EvaluatePolicy(context.Background(), request)
		return err
	}
	if err := ask(); err != nil {
		b.Fatal(err)
	}
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		b.Fatal("http.DefaultTransport is not an *http.Transport")
	}
	plain := &http.Client{Transport: transport.Clone(), Timeout: 30 * time.Second}
	defer plain.CloseIdleConnections()
	post := func() error {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL+path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer k")
		response, err := plain.Do(request)
		if err != nil {
			return err
		}
		return take(response)
	}
	if err := post(); err != nil {
		b.Fatal(err)
	}
	measureCPU(b, post, ask)
}

// measureCPU runs both functions alternately, so that other load on the machine
// affects both equally, and reports the processor time for a call of each.
func measureCPU(b *testing.B, bare, with func() error) {
	b.Helper()
	b.ReportAllocs()
	const turn = 128
	var spent [2]time.Duration
	var elapsed [2]float64
	calls := 0
	for b.Loop() {
		calls++
		if calls%turn != 1 {
			continue // so that b.N is the number of calls
		}
		for i, call := range []func() error{bare, with} {
			before := cpuTime()
			elapsed[i] += stopwatch(b, turn, call) * turn
			spent[i] += cpuTime() - before
		}
	}
	measured := float64((calls + turn - 1) / turn * turn)
	bareAllocs, _ := memory(b, bare)
	allocs, size := memory(b, with)
	b.ReportMetric(elapsed[1]/measured, "ns/op")
	b.ReportMetric(elapsed[0]/measured, "bare-ns/op")
	if spent[0] > 0 {
		b.ReportMetric(float64(spent[1].Nanoseconds())/measured, "cpu-ns/op")
		b.ReportMetric(float64(spent[0].Nanoseconds())/measured, "bare-cpu-ns/op")
		b.ReportMetric(float64(spent[1])/float64(spent[0]), "cpu-ratio")
	}
	b.ReportMetric(allocs, "allocs/op")
	b.ReportMetric(bareAllocs, "bare-allocs/op")
	b.ReportMetric(size, "B/op")
}
