package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/guard/policy"
)

// Every step of the demonstration must succeed and be printed.
func TestRun_Demonstration_Succeeds(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, false), "%s", &out)
	for _, part := range []string{"-> 200", "-> 401", "-> 403 PERMISSION_DENIED", "-> 422 OUT_OF_SCOPE", "APPROVAL_CONSUMED", "-> 403 RULE_DENIED", "-> 403 STOPPED", "-> 503 UNDECIDED", "3 routes, 1 OPEN, 0 NOT BOUND", "a large transfer", "chain of"} {
		require.Contains(t, out.String(), part)
	}
	t.Log("\n" + out.String())
}

// No part of the policy can be removed without a test of its own that fails.
func TestPolicy_EveryPart_IsNoticedByATest(t *testing.T) {
	for _, text := range []string{firstPolicy, secondPolicy()} {
		bundle, err := policy.Parse([]byte(text))
		require.NoError(t, err)
		report := bundle.Check(t.Context())
		require.True(t, report.OK(), "%v %s", report.Unnoticed, report.Incomplete)
	}
}

// With -serve the program prints what to try and runs until it is stopped.
func TestRun_Serve_RunsUntilStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &stopWriter{until: "Ctrl-C", then: cancel}
	require.NoError(t, run(ctx, out, true))
	require.Contains(t, out.String(), "curl -i -H 'X-Agent: clerk-7'")
}

type stopWriter struct {
	mu    sync.Mutex
	text  strings.Builder
	until string
	then  func()
}

func (w *stopWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.text.Write(p)
	if strings.Contains(w.text.String(), w.until) {
		w.then()
	}
	return n, err
}

func (w *stopWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}
