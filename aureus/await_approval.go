package aureus

import (
	"context"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/internal/vocab"
)

// The delays between two looks at an approval that is waited for. They grow from the
// first to the last.
const (
	firstLook = 250 * time.Millisecond
	lastLook  = 5 * time.Second
)

// AwaitApproval waits until the approval with that id is no longer pending, and returns
// it. The error is nil if it is approved, so that the request can be sent again with the
// id as its ApprovalToken. Otherwise it says how the approval ended: it is that of
// [ReasonApprovalRejected], [ReasonApprovalExpired] or [ReasonApprovalConsumed], see
// [ReasonCode.Err], and the approval with the verdicts is returned too. If there is no
// such approval, or the key may not see it, the error is that of
// [ReasonApprovalUnknown]. If the context ends, the error matches the cause.
//
// AwaitApproval reads the approval at least every 5 s, and with an operator's key also
// follows the event stream, so that it returns as soon as a person has decided. It goes
// on while the server cannot be reached, until the context ends: an approval has an end
// (DecideBy), but only the server says that it has passed. It is safe for concurrent
// use; each call holds at most one connection beside that of its reads.
// GET /api/v1/policy/approvals/{id} and GET /api/v1/stream.
func (c *Client) AwaitApproval(ctx context.Context, id string) (Approval, error) {
	const op = "AwaitApproval"
	var events <-chan struct{} // nil until it has to be waited for
	var stop func()
	defer func() {
		if stop != nil {
			stop()
		}
	}()
	for pause, failures := firstLook, 0; ; pause = min(2*pause, lastLook) {
		approval, err := c.Approval(ctx, id)
		switch {
		case ctx.Err() != nil:
			return Approval{}, c.gaveUp(ctx, op, err)
		case err != nil && !worthReconnecting(err):
			return Approval{}, err
		case err == nil && approval.Status != ApprovalPending:
			return approval, ended(op, approval)
		}
		if err == nil {
			failures = 0
		} else {
			failures++
			pause = max(pause, defaultRetries[classReads].delay(min(failures, 8), err))
		}
		if events == nil {
			events, stop = c.followApproval(ctx, id)
		}
		if !c.pause(ctx, pause, events) {
			return Approval{}, c.gaveUp(ctx, op, err)
		}
	}
}

// ended returns the error for an approval that is no longer pending: nil if it can be
// used.
func ended(op string, a Approval) error {
	var code ReasonCode
	switch a.Status {
	case ApprovalApproved:
		return nil
	case ApprovalRejected:
		code = ReasonApprovalRejected
	case ApprovalExpired:
		code = ReasonApprovalExpired
	case ApprovalConsumed:
		code = ReasonApprovalConsumed
	default:
		return malformed(op, fmt.Errorf("the approval has the unknown status %q", clip(string(a.Status), 50)))
	}
	return &Error{Op: op, Code: string(code), Message: "the approval " + clip(a.ID, 50) + " is " + string(a.Status), Err: code.Err()}
}

// pause waits for the delay, or for an event if one comes before. It reports false if
// the context has ended. A closed client ends the pause.
func (c *Client) pause(ctx context.Context, delay time.Duration, events <-chan struct{}) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-c.closed.Done():
	case <-events:
	case <-timer.C:
	}
	return true
}

// followApproval sends on the channel after each event about the approval, until stop is
// called; stop waits until that has ended. A key that may not follow approvals gets no
// events.
func (c *Client) followApproval(ctx context.Context, id string) (events <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	happened, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		for event, err := range c.Stream(ctx, StreamQuery{Kinds: []string{vocab.StreamApproval}}) {
			if err != nil {
				return
			}
			if event.Kind == vocab.StreamReset || event.Audit != nil && event.Audit.ApprovalID == id {
				select {
				case happened <- struct{}{}:
				default: // one is waiting to be seen
				}
			}
		}
	}()
	return happened, func() { cancel(); <-done }
}
