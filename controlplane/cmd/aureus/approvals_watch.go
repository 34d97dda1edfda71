package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

const (
	// watchRefresh is how often the approvals are listed even if no event arrives: an event
	// may be missed between two connections, and the end of the time to decide is none.
	watchRefresh = 15 * time.Second

	// watchTick is how often the screen looks for another size, and for what to draw.
	watchTick = 250 * time.Millisecond
)

// approvalsWatch displays the approvals that wait, and what happens to them, until it is
// told to end.
func approvalsWatch(ctx context.Context, c *policyCommand) error {
	principal := c.flags.String("principal", "", "the `id` of the principal that asks")
	return c.withApprovals(ctx, func(ctx context.Context, s *seat) error {
		ctx, cancel := context.WithCancel(ctx)
		var owned sync.WaitGroup
		defer owned.Wait()
		defer cancel()
		w := &watch{seat: s, principal: *principal, changes: make(chan string), problems: make(chan error, 1)}
		owned.Go(func() { w.follow(ctx) })
		err := w.run(ctx)
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil // it was told to end
		}
		return err
	})
}

// watch is one run of approvals watch.
type watch struct {
	*seat

	principal string
	changes   chan string // the ids of approvals that changed, from the event stream; empty if some may have been missed
	problems  chan error  // the end of the event stream; it has room for it
}

func (w *watch) run(ctx context.Context) error {
	if w.onTerminal() && !w.out.json {
		return w.onScreen(ctx)
	}
	return w.inLines(ctx)
}

// follow sends each change until the context ends.
func (w *watch) follow(ctx context.Context) {
	query := aureus.StreamQuery{Kinds: []string{"approval"}, Principal: w.principal}
	for event, err := range w.client.Stream(ctx, query) {
		if err != nil {
			w.problems <- err
			return
		}
		id := ""
		if event.Audit != nil {
			id = event.Audit.ApprovalID
		}
		select {
		case w.changes <- id:
		case <-ctx.Done():
			return
		}
	}
}

// pending lists the approvals that wait.
func (w *watch) pending(ctx context.Context) ([]aureus.Approval, bool, error) {
	return w.approvals(ctx, aureus.ApprovalQuery{Status: aureus.ApprovalPending}, w.principal, maxListedApprovals)
}

// lineWatch is the state of a watch that writes lines: of each approval that waits, how many
// people have approved it.
type lineWatch struct {
	*watch

	waiting map[string]string
}

// inLines writes each change as a line, or several for a new request.
func (w *watch) inLines(ctx context.Context) error {
	l := lineWatch{w, map[string]string{}}
	if err := l.refresh(ctx); err != nil {
		return err
	}
	ticker := time.NewTicker(watchRefresh)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-w.problems:
			return err
		case id := <-w.changes:
			err = l.changed(ctx, id)
		case <-ticker.C:
			err = l.refresh(ctx)
		}
		if errors.Is(err, aureus.ErrUnavailable) && ctx.Err() == nil { // it is asked again
			_, _ = fmt.Fprintln(w.flags.Output(), "aureus:", shown(err.Error())) // a failure to write to it cannot be reported
			continue
		}
		if err != nil {
			return err
		}
	}
}

// refresh reports the approvals that are new, and those that do not wait any more.
func (l *lineWatch) refresh(ctx context.Context) error {
	list, more, err := l.pending(ctx)
	if err != nil {
		return err
	}
	still := map[string]bool{}
	for n := range list {
		still[list[n].ID] = true
		if err := l.report(&list[n]); err != nil {
			return err
		}
	}
	for id := range l.waiting {
		if !still[id] && !more {
			if err := l.changed(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lineWatch) changed(ctx context.Context, id string) error {
	if id == "" { // the stream may have missed some
		return l.refresh(ctx)
	}
	a, err := l.client.Approval(ctx, id)
	if errors.Is(err, aureus.ErrNotFound) {
		delete(l.waiting, id)
		return nil
	}
	if err != nil {
		return err
	}
	return l.report(&a)
}

// report writes an approval, unless it was written in this state. An approval that does
// not wait is forgotten, so that only what waits is kept in memory.
func (l *lineWatch) report(a *aureus.Approval) error {
	before, known := l.waiting[a.ID]
	state := fmt.Sprint(a.Status, a.Quorum.Have)
	if known && before == state {
		return nil
	}
	if a.Status == aureus.ApprovalPending {
		l.waiting[a.ID] = state
	} else {
		delete(l.waiting, a.ID)
	}
	if l.out.json {
		return errors.Join(l.out.print(a), l.keep(*a))
	}
	if a.Status == aureus.ApprovalPending && !known {
		text, complete := approvalSummary(a, l.now(), l.width())
		if err := l.printf("%s\n", strings.Join(text, "\n")); err != nil || !complete {
			return err
		}
		return l.keep(*a)
	}
	return l.wrapped(shown(fmt.Sprintf("%s  %s by %s: %s%s", a.ID, named(a.Action.ID, a.Action.Name), a.Principal.ID, statusText(a, l.now()), lastVerdict(a))))
}

// lastVerdict is who decided last, and the comment.
func lastVerdict(a *aureus.Approval) string {
	if len(a.Decisions) == 0 {
		return ""
	}
	last := a.Decisions[len(a.Decisions)-1]
	text := " (" + last.Verdict + " by " + last.By
	if last.Comment != "" {
		text += ": " + last.Comment
	}
	return text + ")"
}
