package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// watched is a running aureus approvals watch that writes to a pipe.
type watched struct {
	lines *bufio.Scanner
	stop  func() int // returns the exit code
}

func (s *seatServer) watch(t *testing.T, args ...string) *watched {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"approvals", "watch"}, args...), func(name string) string { return s.env[name] }, w, w)
		_ = w.Close()
	}()
	return &watched{bufio.NewScanner(r), func() int {
		cancel()
		go func() { _, _ = io.Copy(io.Discard, r) }() // until w is closed
		return <-code
	}}
}

// next returns the next line that contains the text.
func (w *watched) next(t *testing.T, text string) string {
	t.Helper()
	for w.lines.Scan() {
		if strings.Contains(w.lines.Text(), text) {
			return w.lines.Text()
		}
	}
	t.Fatalf("the output ended without %q: %v", text, w.lines.Err())
	return ""
}

func TestApprovalsWatch_NotATerminal_WritesALineForEachChange(t *testing.T) {
	s := startSeatServer(t)
	first := s.ask(t, transferRequest)
	w := s.watch(t)
	w.next(t, first+"  transfer.make (Transfer money), high risk, irreversible")
	w.next(t, "amount = 5000")
	request := transferRequest
	request.Arguments = map[string]any{"amount": 7}
	second := s.ask(t, request)
	w.next(t, second)
	w.next(t, "amount = 7")
	require.Zero(t, s.run(t, "approvals", "reject", first, "--yes", "--comment", "no").code, "watch has displayed it")
	require.Contains(t, w.next(t, first), "rejected (reject by olga: no)")
	require.Zero(t, w.stop())
}

func TestApprovalsWatch_JSON_WritesTheApprovals(t *testing.T) {
	s := startSeatServer(t)
	id := s.ask(t, transferRequest)
	w := s.watch(t, "--output", "json")
	var a aureus.Approval
	require.NoError(t, json.Unmarshal([]byte(w.next(t, id)), &a))
	require.Equal(t, aureus.ApprovalPending, a.Status)
	require.Zero(t, w.stop())
}

func TestApprovalsWatch_WrongKey_Ends(t *testing.T) {
	s := startSeatServer(t)
	got := s.on(map[string]string{"AUREUS_API_KEY": "key_wrong"}).run(t, "approvals", "watch")
	require.Equal(t, 1, got.code)
}

// The frame of every size fits the screen, and only what is on it counts as displayed.
func TestBoardFrame_AnySize_FitsTheScreen(t *testing.T) {
	var list []aureus.Approval
	for n := range 30 {
		a := aureus.Approval{
			ID: fmt.Sprint("apr_", n), Status: aureus.ApprovalPending, Principal: aureus.Principal{ID: "agent-7"}, HasPermission: true,
			Action: aureus.Action{ID: "transfer.make"}, Arguments: map[string]any{"to": strings.Repeat("\uFF21\uFF22 ", n), "hostile": "\x1b[2J"},
		}
		list = append(list, a)
	}
	for _, width := range []int{20, 80, 200} {
		for _, height := range []int{3, 24, 60} {
			b := &board{watch: &watch{seat: &seat{now: time.Now}}, list: list, asOf: time.Now()}
			seen := map[string]bool{}
			for range 2000 {
				frame, full := b.frame(width, height)
				require.LessOrEqual(t, len(frame), height)
				text := strings.Join(frame, "\n")
				for _, line := range frame {
					require.LessOrEqual(t, len([]rune(line)), width)
					require.NotContains(t, line, "\x1b")
				}
				for _, a := range full {
					seen[a.ID] = true
					require.Contains(t, text, a.ID)
				}
				before := b.scroll
				b.scroll++
				b.frame(width, height)
				if b.scroll == before {
					break
				}
			}
			if height == 60 {
				require.Len(t, seen, len(list), "scrolling displays all of them")
			}
		}
	}
}
