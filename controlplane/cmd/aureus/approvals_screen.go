package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/cmd/aureus/internal/screen"
)

// board is a watch on a terminal.
type board struct {
	*watch

	list   []aureus.Approval // those that wait, the oldest first
	more   bool              // there are more
	asOf   time.Time         // when they were listed; zero before the first time
	failed error             // why the last listing failed

	scroll int    // the first line of the list that is displayed
	drawn  string // the frame on the screen
	kept   map[string]aureus.Digest
}

// listing is the result of listing the approvals.
type listing struct {
	list []aureus.Approval
	more bool
	err  error
}

// Sequences of every terminal in use: another screen, without a cursor and without wrapping
// long lines, and back.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
)

// onScreen displays the approvals that wait until q is typed, or the context ends. The
// terminal is then as it was.
func (w *watch) onScreen(ctx context.Context) (err error) {
	stdin := int(os.Stdin.Fd())
	state, err := term.MakeRaw(stdin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.printf("%s", leaveScreen), term.Restore(stdin, state)) }()
	if err := w.printf("%s", enterScreen); err != nil {
		return err
	}
	keys, closeKeys := readKeys()
	defer closeKeys()

	ctx, cancel := context.WithCancel(ctx)
	ask, listings := make(chan struct{}, 1), make(chan listing)
	done := make(chan struct{})
	go func() { // lists beside the loop, so that a slow answer does not hold the keys
		defer close(done)
		for {
			select {
			case <-ask:
			case <-ctx.Done():
				return
			}
			var l listing
			l.list, l.more, l.err = w.pending(ctx)
			select {
			case listings <- l:
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() { cancel(); <-done }()
	b := &board{watch: w, kept: map[string]aureus.Digest{}}
	return b.loop(ctx, keys, ask, listings)
}

func (b *board) loop(ctx context.Context, keys <-chan byte, ask chan<- struct{}, listings <-chan listing) error {
	ticker := time.NewTicker(watchTick)
	defer ticker.Stop()
	asked, dirty := time.Now(), false
	ask <- struct{}{}
	for {
		if err := b.draw(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-b.problems:
			return err
		case <-b.changes:
			dirty = true
		case key, ok := <-keys:
			if !ok {
				return nil // the terminal was closed
			}
			if b.typed(key) {
				return nil
			}
		case l := <-listings:
			if l.err != nil && !errors.Is(l.err, aureus.ErrUnavailable) {
				return l.err
			}
			if b.failed = l.err; l.err == nil {
				b.list, b.more, b.asOf = l.list, l.more, b.now()
			}
		case <-ticker.C:
			if !dirty && time.Since(asked) < watchRefresh {
				continue
			}
			select {
			case ask <- struct{}{}:
				asked, dirty = time.Now(), false
			default: // a listing is under way
			}
		}
	}
}

// typed handles a key and reports whether it ends the command.
func (b *board) typed(key byte) (end bool) {
	switch key {
	case 'q', 'Q', 3, 4: // Ctrl-C and Ctrl-D are keys like others on a raw terminal
		return true
	case 'j', 'B', '\r', '\n': // the last byte of the key that points down is B
		b.scroll++
	case 'k', 'A':
		b.scroll--
	case ' ', '6':
		b.scroll += 10
	case 'b', '5':
		b.scroll -= 10
	case 'g':
		b.scroll = 0
	}
	return false
}

// draw writes a frame if it differs from the one on the screen, in one write: each line
// replaces the one before it, so that nothing flickers.
func (b *board) draw() error {
	width, height := 80, 24
	if f, ok := b.out.stdout.(*os.File); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
			width, height = w, h
		}
	}
	frame, full := b.frame(width, height)
	text := "\x1b[H" + strings.Join(frame, "\x1b[K\r\n") + "\x1b[K\x1b[J"
	if text == b.drawn {
		return nil
	}
	if _, err := io.WriteString(b.out.stdout, text); err != nil {
		return err
	}
	b.drawn = text
	return b.keepNew(full)
}

// frame returns the lines of a screen, and the approvals that are on it completely.
func (b *board) frame(width, height int) (frame []string, full []aureus.Approval) {
	now := b.now()
	var body []string
	ends := make([]int, len(b.list)) // the line after each approval that is complete; 0 for others
	starts := make([]int, len(b.list))
	for n := range b.list {
		starts[n] = len(body)
		lines, complete := approvalSummary(&b.list[n], now, width)
		body = append(body, lines...)
		if complete {
			ends[n] = len(body)
		}
		body = append(body, "")
	}
	if b.more {
		body = append(body, fmt.Sprintf("There are more than %d.", len(b.list)))
	}
	if len(b.list) == 0 && !b.asOf.IsZero() {
		body = []string{"No request waits for a person. A new one appears here by itself."}
	}
	room := max(1, height-3)
	b.scroll = max(0, min(b.scroll, len(body)-room))
	visible := body[b.scroll:min(len(body), b.scroll+room)]
	for n := range b.list {
		if ends[n] > 0 && starts[n] >= b.scroll && ends[n] <= b.scroll+room {
			full = append(full, b.list[n])
		}
	}
	frame = append(frame, screen.Cut(fmt.Sprintf("%d wait for a person   %s   q ends, j and k scroll", len(b.list), now.Format(time.TimeOnly)), width), screen.Cut(b.notice(), width))
	frame = append(frame, visible...)
	if below := len(body) - b.scroll - len(visible); below > 1 {
		frame = append(frame, screen.Cut(fmt.Sprintf("%d more lines below", below-1), width))
	}
	for n := range frame {
		frame[n] = screen.Cut(frame[n], width)
	}
	return frame[:min(len(frame), height)], full
}

// notice is the second line of the screen.
func (b *board) notice() string {
	switch {
	case b.failed != nil && b.asOf.IsZero():
		return shown("The control plane does not answer: " + b.failed.Error())
	case b.failed != nil:
		return shown(fmt.Sprintf("As of %s. The control plane does not answer: %s", b.asOf.Format(time.TimeOnly), b.failed.Error()))
	case b.asOf.IsZero():
		return "The approvals are being read."
	}
	return ""
}

// keepNew remembers the approvals that are on the screen for the first time.
func (b *board) keepNew(full []aureus.Approval) error {
	full = slices.DeleteFunc(full, func(a aureus.Approval) bool { return b.kept[a.ID] == a.ActionDigest })
	if len(full) == 0 {
		return nil
	}
	if len(b.kept) > maxListedApprovals {
		clear(b.kept)
	}
	for n := range full {
		b.kept[full[n].ID] = full[n].ActionDigest
	}
	return b.keep(full...)
}

// readKeys returns the bytes that are typed; the channel is closed at the end of the input.
// stop ends the reading. Where the terminal can be opened a second time, the reading
// goroutine ends then, too; elsewhere it ends with the next key or with the process.
func readKeys() (keys <-chan byte, stop func()) {
	input, closeInput := os.Stdin, func() {}
	if tty, err := os.Open("/dev/tty"); err == nil {
		input, closeInput = tty, func() { _ = tty.Close() } // it was only read
	}
	typed, ended := make(chan byte), make(chan struct{})
	go func() {
		defer close(typed)
		buffer := make([]byte, 64)
		for {
			n, err := input.Read(buffer)
			for _, key := range buffer[:n] {
				select {
				case typed <- key:
				case <-ended:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return typed, func() { close(ended); closeInput() }
}
