package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Environment variables that make a process of this test binary a server instead of
// running tests.
const (
	hostFolderVar = "AUREUS_TEST_HOST"         // the folder of its files
	hostNumberVar = "AUREUS_TEST_HOST_PROCESS" // the number of the process in its test
)

// startHost starts a server whose tools write a journal of what they do, and
// waits until it prints its address.
func startHost(t *testing.T, folder string, process int) *serverProcess {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = []string{
		hostFolderVar + "=" + folder, hostNumberVar + "=" + strconv.Itoa(process),
		"HOME=" + t.TempDir(), "TMPDIR=" + t.TempDir(), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT"),
	}
	return startAndWait(t, cmd)
}

// runHost is the main function of such a server. It does not return if it is
// killed.
func runHost(folder string) error {
	process, err := strconv.Atoi(os.Getenv(hostNumberVar))
	if err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(folder, "journal"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	srv, err := controlplane.Open(ctx, controlplane.Config{
		DB: filepath.Join(folder, "aureus.db"), Dev: true, OperatorKey: killOperator, Logger: log,
		Tools: (&journal{file: file, process: process}).tools(),
	})
	if err != nil {
		return err
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return errors.Join(err, srv.Close())
	}
	if _, err := fmt.Printf("The host listens on http://%s\n", listener.Addr()); err != nil {
		return errors.Join(err, srv.Close())
	}
	return errors.Join(listen(ctx, listener, nil, srv, log, defaultConnections), srv.Close())
}

// journalLine is a line of the journal: a tool started, or ended with a result.
type journalLine struct {
	Process    int    `json:"process"`
	WorkflowID string `json:"workflow_id"`
	TaskID     string `json:"task_id"`
	Undo       bool   `json:"undo,omitzero"`
	Key        string `json:"key"`
	Result     string `json:"result,omitzero"` // only at the end; unique
}

// journal is a file with a line for everything that tools do. Lines that a
// process has written survive when it is killed.
type journal struct {
	file    *os.File
	process int
	count   atomic.Int64
}

func (j *journal) note(call controlplane.ToolCall, result string) error {
	line, err := strictjson.Marshal(journalLine{
		Process: j.process, WorkflowID: call.WorkflowID, TaskID: call.TaskID, Undo: call.Compensation, Key: call.IdempotencyKey, Result: result,
	})
	if err == nil {
		_, err = j.file.Write(append(line, '\n')) // a single write, so that a line is complete or missing
	}
	return err
}

// takes returns a tool that runs for a random time below the limit.
func (j *journal) takes(limit time.Duration) func(context.Context, controlplane.ToolCall) (any, error) {
	return func(ctx context.Context, call controlplane.ToolCall) (any, error) {
		if err := j.note(call, ""); err != nil {
			return nil, err
		}
		timer := time.NewTimer(rand.N(limit))
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-timer.C:
		}
		result := fmt.Sprintf("%d-%d", j.process, j.count.Add(1))
		return result, j.note(call, result)
	}
}

func (j *journal) tools() map[string]controlplane.Tool {
	quick := j.takes(4 * time.Millisecond)
	return map[string]controlplane.Tool{
		"work": {RiskTier: aureus.TierLow, Run: quick},
		"slow": {RiskTier: aureus.TierLow, Run: j.takes(400 * time.Millisecond)},
		"undo": {RiskTier: aureus.TierLow, Run: quick},
		"pay":  {RiskTier: aureus.TierHigh, Run: quick},
		"fail": {RiskTier: aureus.TierLow, Run: func(_ context.Context, call controlplane.ToolCall) (any, error) {
			if err := j.note(call, ""); err != nil {
				return nil, err
			}
			return nil, errors.New("the tool always fails")
		}},
	}
}

// journalReader reads the lines that were added since its last read, by
// workflow.
type journalReader struct {
	file   string
	offset int64
	lines  map[string][]journalLine
}

func (r *journalReader) read(t *testing.T) {
	t.Helper()
	file, err := os.Open(r.file)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	_, err = file.Seek(r.offset, io.SeekStart)
	require.NoError(t, err)
	text, err := io.ReadAll(file)
	require.NoError(t, err)
	text = text[:bytes.LastIndexByte(text, '\n')+1] // ignore an incomplete line
	r.offset += int64(len(text))
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var line journalLine
		require.NoError(t, strictjson.Unmarshal(lines.Bytes(), &line), lines.Text())
		r.lines[line.WorkflowID] = append(r.lines[line.WorkflowID], line)
	}
}
