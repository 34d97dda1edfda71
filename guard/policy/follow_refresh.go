package policy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

const (
	firstRetry = time.Second // after a refresh or a stream that failed; it doubles each time
	maxRetry   = time.Minute
	minPoll    = 200 * time.Millisecond // for a bundle with a short max_age
)

// rejectedBundle is a bundle of the control plane that was not put in force. It is not
// sent and compiled again until it changes.
type rejectedBundle struct {
	digest aureus.Digest
	err    error
}

// refresh asks the control plane for the stops and the bundle. Stops come first: they hold
// even if the bundle is not accepted. Only if both succeed, the bundle in force is
// confirmed for its max_age.
func (f *Follower) refresh(ctx context.Context, client *aureus.Client) error {
	err := f.refreshStops(ctx, client)
	if err == nil {
		err = f.refreshBundle(ctx, client)
	}
	switch {
	case refusesKey(err):
		f.refused.Store(&err)
	case err == nil:
		f.refused.Store(nil)
		f.contact.Store(f.config.Now().UnixNano())
	}
	return err
}

// refusesKey reports whether the error is a response that does not accept the key.
func refusesKey(err error) bool {
	status := statusOf(err)
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// statusOf returns the status of the response that the error is; 0 without a response.
func statusOf(err error) int {
	if failure, ok := errors.AsType[*aureus.Error](err); ok {
		return failure.StatusCode
	}
	return 0
}

// suspect looks at the error of another call than those of refresh. If the control plane
// does not know the key any more, nothing is decided until a refresh has succeeded. A call
// may also be forbidden for its content, so the status 403 does not count here.
func (f *Follower) suspect(err error) {
	if statusOf(err) == http.StatusUnauthorized {
		f.refused.Store(&err)
		f.kick()
	}
}

func (f *Follower) refreshStops(ctx context.Context, client *aureus.Client) error {
	var known aureus.Digest
	if stopped := f.stopped.Load(); stopped != nil {
		known = stopped.digest
	}
	list, digest, err := client.PolicyStops(ctx, known)
	switch {
	case errors.Is(err, aureus.ErrNotModified):
		return nil
	case err != nil:
		return err
	}
	f.setStops(list, digest)
	f.config.Logger.Info("the stops have been read", "stops", len(list))
	return nil
}

// setStops puts the stops in force. If there is no engine yet, it gets them from f.stops.
func (f *Follower) setStops(list []aureus.PolicyStop, digest aureus.Digest) {
	f.stops = list
	if f.engine != nil {
		f.engine.SetStops(stopsOf(list))
	}
	f.changed.Store(f.config.Now().UnixNano())
	f.stopped.Store(&followedStops{digest: digest, count: len(list)}) // last, so that whoever sees it is decided by these stops
}

// followedStops says which stops hold.
type followedStops struct {
	digest aureus.Digest
	count  int
}

func stopsOf(list []aureus.PolicyStop) []Stop {
	stops := make([]Stop, 0, len(list))
	for _, s := range list {
		at, _ := s.At.Time() // the zero time if it cannot be read: only the scope matters
		stops = append(stops, Stop{Scope: s.Scope, Reason: s.Reason, By: s.By, At: at})
	}
	return stops
}

func (f *Follower) refreshBundle(ctx context.Context, client *aureus.Client) error {
	known := f.rejected.digest
	if known.IsZero() && f.engine != nil {
		known = f.engine.Bundle().digest
	}
	found, err := client.PolicyBundle(ctx, known)
	switch {
	case errors.Is(err, aureus.ErrNotModified) && f.rejected.err != nil:
		return f.rejected.err
	case errors.Is(err, aureus.ErrNotModified) && f.engine != nil:
		return f.confirm()
	case err != nil:
		return err
	}
	f.rejected = rejectedBundle{}
	if f.engine != nil && found.Digest == f.engine.Bundle().digest { // after one that was rejected
		return f.confirm()
	}
	bundle, err := f.parse(found.Text, found.Signature)
	if err == nil {
		err = f.use(bundle)
	}
	if err != nil {
		err = fmt.Errorf("policy: the bundle %.80q of the control plane is not put in force: %w", fmt.Sprintf("%s/%d", found.Name, found.Version), err)
		if !errors.Is(err, ErrSignature) { // the signature can change without the text
			f.rejected = rejectedBundle{digest: found.Digest, err: err}
		}
		return err
	}
	f.signature = found.Signature
	return nil
}

// parse compiles a bundle, and checks its signature if there are keys.
func (f *Follower) parse(text, signature []byte) (*Bundle, error) {
	if len(f.config.Keys) > 0 {
		return ParseSigned(text, signature, f.config.Keys...)
	}
	return Parse(text)
}

// use puts the bundle in force.
func (f *Follower) use(bundle *Bundle) error {
	if f.engine != nil {
		replaced, err := f.engine.replace(bundle)
		if replaced {
			f.changed.Store(f.config.Now().UnixNano())
		}
		return err
	}
	engine, err := newEngine(bundle, Config{
		Tenant: f.config.Tenant, Volatile: f.config.Volatile, Now: f.config.Now, Logger: f.config.Logger,
		Approvals: f.client, Budgets: remoteBudgets{}, RecordInputs: f.config.RecordInputs,
	})
	if err != nil {
		return err
	}
	engine.SetStops(stopsOf(f.stops))
	f.engine = engine
	f.changed.Store(f.config.Now().UnixNano())
	return nil
}

// confirm confirms the bundle in force for its max_age.
func (f *Follower) confirm() error { return f.engine.Replace(f.engine.Bundle()) }

// poll refreshes again and again until the context ends.
func (f *Follower) poll(ctx context.Context) {
	client := f.client.With(aureus.WithRetry(aureus.RetryPolicies{Reads: aureus.NoRetry})) // the next poll is the retry
	failures := 0
	for {
		timer := time.NewTimer(f.pause(failures))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-f.kicked:
			timer.Stop()
		}
		before, stops := f.engine.Bundle(), f.stopped.Load()
		err := f.refresh(ctx, client)
		if ctx.Err() != nil {
			return
		}
		failures = f.note(err, failures)
		if after := f.engine.Bundle(); after != before {
			f.logBundle("the policy bundle was replaced", after)
		}
		f.keep(err == nil, f.engine.Bundle() != before || f.stopped.Load() != stops)
		f.logDrops(false)
	}
}

// pause is the time until the next poll.
func (f *Follower) pause(failures int) time.Duration {
	interval := f.config.Interval
	if maxAge := f.engine.Bundle().maxAge; maxAge > 0 {
		interval = min(interval, max(maxAge/3, minPoll))
	}
	if failures > 0 {
		interval = min(interval, firstRetry<<min(failures-1, 6), maxRetry)
	}
	return interval - rand.N(interval/10+1) //nolint:gosec // so that many followers do not ask at the same time
}

// note logs an error, once until it changes, and counts the failures in a row that a
// retry may end.
func (f *Follower) note(err error, failures int) int {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if was := f.problem; text != was {
		f.problem = text
		if err != nil {
			f.config.Logger.Error("the control plane could not be followed; the policy bundle in force stays", "bundle", f.engine.Bundle().label, "error", text)
		} else {
			f.config.Logger.Info("the control plane is followed again", "bundle", f.engine.Bundle().label)
		}
	}
	if err == nil || f.rejected.err != nil {
		return 0
	}
	return failures + 1
}

// kick makes the next refresh begin at once.
func (f *Follower) kick() {
	select {
	case f.kicked <- struct{}{}:
	default:
	}
}

// listen reads the event stream until the context ends, and makes the poller refresh when
// the policy has changed.
func (f *Follower) listen(ctx context.Context) {
	for failures := 0; ; failures++ {
		for event, err := range f.client.Stream(ctx, aureus.StreamQuery{Kinds: []string{"policy"}}) {
			if err != nil {
				f.suspect(err)
				break
			}
			failures = 0
			if !f.has(event.Policy) {
				f.kick()
			}
		}
		timer := time.NewTimer(min(firstRetry<<min(failures, 6), maxRetry))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			f.kick() // the key may have been revoked, and events may have been missed
		}
	}
}

// has reports whether the policy is the one in force here.
func (f *Follower) has(change *aureus.PolicyChange) bool {
	if change == nil {
		return false
	}
	stops := f.stopped.Load()
	return change.ETag == f.engine.Bundle().digest && stops != nil && change.StopsETag == stops.digest
}
